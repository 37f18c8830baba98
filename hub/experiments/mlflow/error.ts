// What goes wrong in a request of an MLflow client, in its own form: a word its code branches on, and a sentence.

import { Problem } from '../../problem.ts'

/** The words, each with the status it travels under (MLflow's `ERROR_CODE_TO_HTTP_STATUS`). */
const statuses = {
  INVALID_PARAMETER_VALUE: 400,
  BAD_REQUEST: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  INVALID_STATE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RESOURCE_DOES_NOT_EXIST: 404,
  ENDPOINT_NOT_FOUND: 404,
  RESOURCE_CONFLICT: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL_ERROR: 500,
  NOT_IMPLEMENTED: 501,
  TEMPORARILY_UNAVAILABLE: 503,
} as const
export type MlflowErrorCode = keyof typeof statuses

export class MlflowError extends Problem {
  readonly errorCode: MlflowErrorCode

  constructor(errorCode: MlflowErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(statuses[errorCode], errorCode.toLowerCase().replaceAll('_', '-'), 'MLflow request refused', message, options)
    this.errorCode = errorCode
  }
}

export const invalidParameter = (message: string): MlflowError => new MlflowError('INVALID_PARAMETER_VALUE', message)
export const doesNotExist = (message: string): MlflowError => new MlflowError('RESOURCE_DOES_NOT_EXIST', message)

const otherPaths = ['/get-artifact', '/model-versions/get-artifact', '/v1/traces']

/** Whether what is asked for at this path is answered as MLflow would. */
export const isMlflowPath = (path: string): boolean => /^\/(ajax-)?api\//.test(path) || otherPaths.includes(path)

/** Any problem as MLflow's clients expect it. */
export function mlflowErrorResponse(problem: Problem): Response {
  const errorCode = problem instanceof MlflowError ? problem.errorCode : codeOf(problem.status)
  return new Response(JSON.stringify({ error_code: errorCode, message: problem.detail }), {
    status: problem instanceof MlflowError || problem.status === 413 ? problem.status : statuses[errorCode],
    headers: { ...problem.headers, 'content-type': 'application/json' },
  })
}

function codeOf(status: number): MlflowErrorCode {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED'
    case 403:
      return 'PERMISSION_DENIED'
    case 404:
      return 'RESOURCE_DOES_NOT_EXIST'
    case 409:
      return 'RESOURCE_CONFLICT'
    case 429:
      return 'RESOURCE_EXHAUSTED'
    case 501:
      return 'NOT_IMPLEMENTED'
    case 503:
      return 'TEMPORARILY_UNAVAILABLE'
    default:
      return status < 500 ? 'INVALID_PARAMETER_VALUE' : 'INTERNAL_ERROR'
  }
}
