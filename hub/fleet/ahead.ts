// Devices that are ahead of this hub: they accepted generations of which a database restored from a backup knows nothing,
// and a device goes back behind none. So the hub goes past what they say; what is wanted of them stays as it is here.

import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import type { Statement } from '../storage/database.ts'

/** A change a second for a century. Whoever says more lies, or was told so under a stolen assignment key: to follow it would
 *  leave no generation after it, nor let a new key help. */
const followedMax = 2 ** 32

/** Brings the device's generation past the one it reports in a hello, if that is newer than what is known here. A device
 *  that says more than is followed stays ahead by its own doing. */
export function passStatements(device: string, reportedGeneration: number): Statement[] {
  if (reportedGeneration > followedMax) return []
  return [
    {
      sql: 'UPDATE devices SET generation = ? WHERE id = ? AND generation < ?',
      args: [reportedGeneration + 1, device, reportedGeneration],
    },
  ]
}

/** The same number for two wishes, one from before the restore and one from after it, shows only when the device refuses:
 *  the next generation says the wish anew, in answer to its next hello. */
export function differentWishStatements(device: string, event: DeviceEvent): Statement[] {
  if (event.event !== 'refused' || event.code !== 'generation-content') return []
  return [{ sql: 'UPDATE devices SET generation = generation + 1 WHERE id = ?', args: [device] }]
}
