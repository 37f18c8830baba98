// The listening socket of this device's predictions, owned by the control process and lent to whichever runtime serves.
// Control never accepts on it: while no runtime does, connections wait in the kernel's queue for the next one.
// The first runtime makes the listen(2) call; from then on the socket listens for as long as control keeps it open.
// docs/decisions/serving-socket.md says why this is done with a call that Node does not document.

import type { ChildProcess, SendHandle, Serializable } from 'node:child_process'
import net from 'node:net'
import { z } from 'zod'

export type ServingSocket = {
  readonly host: string
  readonly port: number
  /** Sends it with a message; the child gets a duplicate, this process keeps its own. */
  sendTo: (child: ChildProcess, message: Serializable, sent: (error: Error | null) => void) => void
  close: () => void
}

type Handle = { close: () => void; getsockname: (out: Record<string, unknown>) => number }

export class ServingSocketError extends Error {
  override readonly name = 'ServingSocketError'
  readonly code: 'unsupported' | 'bind'
  constructor(code: 'unsupported' | 'bind', message: string) {
    super(message)
    this.code = code
  }
}

const SocketName = z.object({ address: z.string(), port: z.number().int().positive() })

/** Binds `host` (an IP address) and `port` (0: any free one).
 *  @throws ServingSocketError `bind` where the address is taken or not ours, `unsupported` by a Node without the call */
export function openServingSocket({ host, port }: { host: string; port: number }): ServingSocket {
  const handle = createHandle(host, port)
  const name: Record<string, unknown> = {}
  // libuv keeps the error of a bind for later calls; a socket that is not bound would listen on just any port.
  const status = handle.getsockname(name)
  const bound = SocketName.safeParse(name)
  if (status !== 0 || !bound.success || (port !== 0 && bound.data.port !== port)) {
    handle.close()
    throw new ServingSocketError('bind', `${host}:${port} cannot be bound (${status}): is another agent running?`)
  }
  return {
    host: bound.data.address,
    port: bound.data.port,
    // Node sends such a handle as it is ('net.Native'); its types only know sockets and servers.
    sendTo: (child, message, sent) => child.send(message, handle as unknown as SendHandle, sent),
    close: () => handle.close(),
  }
}

/** What node:cluster makes its shared sockets with: bound, neither listening nor accepting. */
function createHandle(host: string, port: number): Handle {
  const create: unknown = Reflect.get(net, '_createServerHandle')
  const family = net.isIP(host)
  if (typeof create !== 'function') {
    throw new ServingSocketError('unsupported', `Node ${process.version} has no net._createServerHandle`)
  }
  if (family === 0) throw new ServingSocketError('bind', `'${host}' is not an IP address`)
  const made: unknown = create(host, port, family, -1)
  if (isHandle(made)) return made
  throw new ServingSocketError('bind', `${host}:${port} cannot be bound (${String(made)})`)
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'object' && value !== null && 'getsockname' in value && 'close' in value
}
