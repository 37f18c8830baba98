// `roost hub`: runs the hub in this process. It alone needs what a hub is made of, so it alone loads it: every other
// command starts in half the time.

export async function runHub(options: { newAdminToken?: boolean }): Promise<void> {
  const hub = await import('../main.ts')
  await hub.runHub(options)
}
