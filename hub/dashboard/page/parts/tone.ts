// How a thing fares, and the sign of it: each has a shape of its own, so that it is told apart without colours.

export type Tone = 'good' | 'warn' | 'bad' | 'idle' | 'busy'

/** In a field of 12 x 12. */
export const shapes: Record<Tone, string> = {
  good: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Z',
  warn: 'M6 .8 11.4 10.6H.6Z',
  bad: 'M1.5 1.5h9v9h-9Z',
  idle: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Zm0 1.8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4Z',
  busy: 'M6 .4 11.6 6 6 11.6.4 6Z',
}
