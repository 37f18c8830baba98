// The limit of a control process: Node with one MQTT connection that listens to its device's topics.
// Started by footprint.ts with address, device and secret; says when it is connected.

import { downFilter } from '@roost/shared/protocol/topics.ts'
import { connect } from 'mqtt'

const [url = '', device = '', secret = ''] = process.argv.slice(2)
const client = connect(url, { clientId: device, username: device, password: secret, clean: true })
await new Promise((resolve) => client.once('connect', resolve))
await client.subscribeAsync(downFilter(device), { qos: 1 })
process.send?.('connected')
process.on('disconnect', () => process.exit(0))
