// `roost hub`: runs the hub in this process.

export { runHub } from '../main.ts'
