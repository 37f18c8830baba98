// What a process that a test starts gets of the environment of whoever runs the tests: what any process needs, and where
// compiled code is kept, since most of a start is compiling. No ROOST_* variable gets through.

export function inherited(): Record<string, string> {
  const names = ['PATH', 'TMPDIR', 'NODE_COMPILE_CACHE']
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
}
