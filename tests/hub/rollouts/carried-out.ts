// Actions carried out on a view as the store carries them out on rows, for tests of `decide` alone.

import type { Action, DeviceView, RolloutView, StageView } from '../../../hub/rollouts/states.ts'

export const apply = (rollout: RolloutView, actions: readonly Action[], nowMs: number): RolloutView =>
  actions.reduce((view, action) => applyOne(view, action, nowMs), rollout)

function applyOne(view: RolloutView, action: Action, nowMs: number): RolloutView {
  switch (action.do) {
    case 'rollout':
      return {
        ...view,
        state: action.state,
        pausedBy: action.state === 'paused' ? (action.kind ?? 'operator') : null,
      }
    case 'stage':
      return onStage(view, action.index, (stage) => movedStage(stage, action.state, nowMs))
    case 'release':
      return onStage(view, action.index, (stage) => ({ ...stage, released: true }))
    case 'retry':
      return onDevices(view, action.devices, (device) => ({
        ...device,
        state: 'planned',
        reason: null,
        withdrawn: false,
        asideUntil: null,
      }))
    case 'acknowledge':
      return onDevices(view, action.devices, (device) => ({ ...device, acknowledged: true }))
    default:
      return onDevices(view, [action.device], (device) => movedDevice(device, action, nowMs))
  }
}

const onStage = (view: RolloutView, index: number, change: (stage: StageView) => StageView): RolloutView => ({
  ...view,
  stages: view.stages.map((stage) => (stage.index === index ? change(stage) : stage)),
})

const onDevices = (
  view: RolloutView,
  names: readonly string[],
  change: (device: DeviceView) => DeviceView,
): RolloutView => ({
  ...view,
  devices: view.devices.map((device) => (names.includes(device.device) ? change(device) : device)),
})

function movedStage(stage: StageView, state: StageView['state'], nowMs: number): StageView {
  if (state === 'pending') {
    return { ...stage, state, admittingSince: null, bakingSince: null, released: false, approvals: 0 }
  }
  if (state === 'admitting') return { ...stage, state, admittingSince: nowMs, bakingSince: null }
  return { ...stage, state, bakingSince: state === 'baking' ? nowMs : stage.bakingSince }
}

type OfDevice = Extract<Action, { device: string }>

function movedDevice(device: DeviceView, action: OfDevice, nowMs: number): DeviceView {
  if (action.do === 'device') {
    const offeredAt = device.state === 'unreachable' ? nowMs : device.offeredAt
    return { ...device, state: action.state, reason: action.reason, progressAt: nowMs, offeredAt }
  }
  if (action.do === 'withdraw') return { ...device, state: action.as, withdrawn: action.as !== 'planned' }
  return {
    ...device,
    state: action.as,
    attempt: device.attempt + 1,
    role: action.role,
    offeredAt: nowMs,
    progressAt: nowMs,
    withdrawn: false,
    acknowledged: false,
    reported: undefined,
    backOnPrevious: false,
  }
}
