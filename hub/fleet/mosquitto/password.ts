// A secret as Mosquitto's password file has it: `$7$iterations$salt$hash`, PBKDF2 with HMAC-SHA-512, a salt of 12 bytes
// and a hash of 64, both in base64 (what mosquitto_passwd(1) writes).

import { pbkdf2Sync } from 'node:crypto'
import type { Random } from '../../hub.ts'

/** Secrets are 256 random bits, which nobody finds by guessing: more rounds would protect nothing, and with each reload
 *  Mosquitto checks everybody who is connected. */
const iterations = 1
const saltBytes = 12
const hashBytes = 64

export function passwordHash(secret: string, random: Random): string {
  const salt = random(saltBytes)
  const hash = pbkdf2Sync(secret, salt, iterations, hashBytes, 'sha512')
  return `$7$${iterations}$${Buffer.from(salt).toString('base64')}$${hash.toString('base64')}`
}
