// Which sockets may stay: counts connections in all and by address, and gives each a deadline for logging in.
// Works on the raw socket, below TLS and WebSocket, so that a peer which trickles a handshake, an upgrade or a
// CONNECT meets the same deadline.

import type { Socket } from 'node:net'

export type AdmissionLimits = {
  connectionsMax: number
  connectionsPerAddressMax: number
  /** Not logged in yet: in all, and from one address. */
  unacceptedMax: number
  unacceptedPerAddressMax: number
  /** From the first byte to being logged in. */
  connectTimeoutMs: number
}

export type AdmissionRefusal =
  | 'too-many-connections'
  | 'too-many-from-address'
  | 'too-many-unaccepted'
  | 'connect-timeout'

export type Admission = {
  /** Counts the socket in, or destroys it. */
  admit: (socket: Socket) => void
  /** The peer of `socket` (raw, or wrapped by TLS) has logged in. */
  accept: (socket: Endpoints) => void
  /** Destroys every socket that is still there. */
  close: () => void
}

type Endpoints = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localPort'>
type Peer = { address: string; deadline: NodeJS.Timeout | undefined }

export function createAdmission(limits: AdmissionLimits, onRefused: (refusal: AdmissionRefusal) => void): Admission {
  const peers = new Map<string, Peer>()
  const sockets = new Set<Socket>()
  const perAddress = new Map<string, { all: number; unaccepted: number }>()
  let unaccepted = 0

  const refuse = (socket: Socket, refusal: AdmissionRefusal) => {
    onRefused(refusal)
    socket.destroy()
  }

  const accepted = (peer: Peer) => {
    if (peer.deadline === undefined) return
    clearTimeout(peer.deadline)
    peer.deadline = undefined
    unaccepted -= 1
    const counts = perAddress.get(peer.address)
    if (counts !== undefined) counts.unaccepted -= 1
  }

  return {
    admit: (socket) => {
      const key = peerKey(socket)
      // A peer that hung up between the kernel's accept and ours has no address any more.
      if (key === undefined) return void socket.destroy()
      const address = socket.remoteAddress ?? ''
      const counts = perAddress.get(address) ?? { all: 0, unaccepted: 0 }
      if (peers.size >= limits.connectionsMax) return refuse(socket, 'too-many-connections')
      if (counts.all >= limits.connectionsPerAddressMax) return refuse(socket, 'too-many-from-address')
      if (unaccepted >= limits.unacceptedMax || counts.unaccepted >= limits.unacceptedPerAddressMax) {
        return refuse(socket, 'too-many-unaccepted')
      }
      const peer: Peer = {
        address,
        deadline: setTimeout(() => refuse(socket, 'connect-timeout'), limits.connectTimeoutMs),
      }
      peers.set(key, peer)
      sockets.add(socket)
      perAddress.set(address, counts)
      counts.all += 1
      counts.unaccepted += 1
      unaccepted += 1
      socket.once('close', () => {
        accepted(peer)
        peers.delete(key)
        sockets.delete(socket)
        counts.all -= 1
        if (counts.all === 0) perAddress.delete(address)
      })
    },
    accept: (socket) => {
      const peer = peers.get(peerKey(socket) ?? '')
      if (peer !== undefined) accepted(peer)
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Where both ends of a connection are; the same for a raw socket and for what wraps it. */
function peerKey(socket: Endpoints): string | undefined {
  return socket.remoteAddress === undefined
    ? undefined
    : `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`
}
