// The place of something that is on its way, in its size, so that nothing jumps when it comes.

export function Loading({ rows = 3, what = 'Loading' }: { rows?: number; what?: string }) {
  return (
    <div class="loading" role="status" aria-label={what}>
      {Array.from({ length: rows }, (_, n) => (
        <span key={n} />
      ))}
    </div>
  )
}
