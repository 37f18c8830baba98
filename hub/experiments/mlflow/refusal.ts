// What experiments refuse, in MLflow's words.

import { FilterError } from '../filter.ts'
import { LogError, type LogErrorCode } from '../log.ts'
import { PageTokenError } from '../ordered-page.ts'
import { invalidParameter, MlflowError, type MlflowErrorCode } from './error.ts'

const codes: Readonly<Record<LogErrorCode, MlflowErrorCode>> = {
  'no-run': 'RESOURCE_DOES_NOT_EXIST',
  'no-model': 'RESOURCE_DOES_NOT_EXIST',
  'run-deleted': 'INVALID_PARAMETER_VALUE',
  'param-changed': 'INVALID_PARAMETER_VALUE',
}

/** The error as MLflow would say it; any other as it is. */
export function asMlflowError(error: unknown): unknown {
  if (error instanceof FilterError || error instanceof PageTokenError) return invalidParameter(error.message)
  if (error instanceof LogError) return new MlflowError(codes[error.code], error.message, { cause: error })
  return error
}
