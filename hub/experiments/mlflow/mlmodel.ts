// The MLmodel file, which says what a logged model is made of. It is YAML as PyYAML writes it: one `key: value` a line,
// indented by two; nothing more of YAML is read.

export type MlModel = {
  flavors: string[]
  /** The ONNX file, relative to the MLmodel, as the flavor onnx names it. */
  onnxFile: string | undefined
  onnxVersion: string | undefined
}

/** MLmodel files with a signature of hundreds of columns have some 100 KB. */
export const mlModelBytesMax = 1_048_576

export function readMlModel(text: string): MlModel {
  const flavors: string[] = []
  const onnx = new Map<string, string>()
  let isInFlavors = false
  for (const line of text.split(/\r?\n/)) {
    const [, indent = '', key = '', value = ''] = /^( *)([\w.-]+):(?: +(.*?))? *$/.exec(line) ?? []
    if (key === '') continue
    if (indent === '') isInFlavors = key === 'flavors'
    else if (isInFlavors && indent.length === 2) flavors.push(key)
    else if (isInFlavors && indent.length === 4 && flavors.at(-1) === 'onnx') onnx.set(key, scalar(value))
  }
  return {
    flavors,
    onnxFile: flavors.includes('onnx') ? (onnx.get('data') ?? 'model.onnx') : undefined,
    onnxVersion: onnx.get('onnx_version'),
  }
}

/** A plain, single-quoted or double-quoted scalar without escapes other than a doubled quote. */
function scalar(text: string): string {
  const quote = text.charAt(0)
  if ((quote !== "'" && quote !== '"') || text.at(-1) !== quote || text.length < 2) return text
  return text.slice(1, -1).replaceAll(quote + quote, quote)
}

/** For a version that no MLflow client logged: enough for `mlflow.onnx.load_model`. */
export const writeMlModel = (onnxFile: string): string =>
  [
    'flavors:',
    '  onnx:',
    `    data: ${onnxFile}`,
    '    providers:',
    '    - CPUExecutionProvider',
    '  python_function:',
    `    data: ${onnxFile}`,
    '    loader_module: mlflow.onnx',
    '',
  ].join('\n')
