// The device profiles that this hub knows: those that come with it.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Profile } from '@roost/shared/profiles/profile.ts'

export const profilesFolder = fileURLToPath(new URL('../../firmware-profiles/', import.meta.url))

/** By name.
 *  @throws where a file is no profile */
export async function readProfiles(folder = profilesFolder): Promise<Profile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()
  return Promise.all(names.map(async (name) => Profile.parse(JSON.parse(await readFile(join(folder, name), 'utf8')))))
}
