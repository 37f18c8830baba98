// What decided actions do to a rollout that is held in memory: the same that statements.ts does to one in the database.

import type { Action, DeviceView, RolloutView, StageView } from '../states.ts'

/** The rollout after the actions, in their order. */
export function applyActions(rollout: RolloutView, actions: readonly Action[], nowMs: number): RolloutView {
  if (actions.length === 0) return rollout
  const devices = new Map(rollout.devices.map((device) => [device.device, device]))
  const change = (device: string, by: (before: DeviceView) => Partial<DeviceView>) => {
    const before = devices.get(device)
    if (before !== undefined) devices.set(device, { ...before, ...by(before) })
  }
  let stages = rollout.stages
  let { state, pausedBy } = rollout
  for (const action of actions) {
    switch (action.do) {
      case 'device':
        change(action.device, (before) => ({
          state: action.state,
          reason: action.reason,
          progressAt: nowMs,
          offeredAt: before.state === 'unreachable' ? nowMs : before.offeredAt,
        }))
        break
      case 'offer':
        change(action.device, ({ attempt }) => ({
          state: action.as,
          reason: null,
          attempt: attempt + 1,
          role: action.role,
          offeredAt: nowMs,
          progressAt: nowMs,
          withdrawn: false,
          acknowledged: false,
          reported: undefined,
          backOnPrevious: false,
        }))
        break
      case 'withdraw':
        change(action.device, () => ({ state: action.as, withdrawn: action.as !== 'planned' }))
        break
      case 'retry':
        for (const device of action.devices) {
          change(device, () => ({ state: 'planned', reason: null, withdrawn: false, asideUntil: null }))
        }
        break
      case 'acknowledge':
        for (const device of action.devices) change(device, () => ({ acknowledged: true }))
        break
      case 'stage':
        stages = stages.map((stage) => (stage.index === action.index ? moved(stage, action.state, nowMs) : stage))
        break
      case 'release':
        stages = stages.map((stage) => (stage.index === action.index ? { ...stage, released: true } : stage))
        break
      case 'rollout':
        state = action.state
        pausedBy = action.state === 'paused' ? (action.kind ?? 'operator') : null
        break
    }
  }
  return { ...rollout, state, pausedBy, stages, devices: [...devices.values()] }
}

function moved(stage: StageView, state: StageView['state'], nowMs: number): StageView {
  if (state === 'pending') {
    return { ...stage, state, admittingSince: null, bakingSince: null, released: false, approvals: 0 }
  }
  if (state === 'admitting') return { ...stage, state, admittingSince: nowMs, bakingSince: null }
  return state === 'baking' ? { ...stage, state, bakingSince: nowMs } : { ...stage, state }
}
