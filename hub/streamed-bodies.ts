// Requests whose bodies are read piece by piece, under limits of their own: never held whole, not even to compare them.

const routes: readonly { method: string; path: RegExp }[] = [
  { method: 'POST', path: /^\/v1\/datasets\/[^/]+\/snapshots$/ },
  { method: 'PATCH', path: /^\/v1\/uploads\/[^/]+$/ },
]

export const isStreamedBody = (method: string, path: string): boolean =>
  routes.some((route) => route.method === method && route.path.test(path))
