// Processor time of other processes. Unlike a rate it does not depend on who else wants the processors, or hardly.

import { readFile } from 'node:fs/promises'

/** Linux counts in these, whatever the kernel's own clock (USER_HZ). */
const ticksPerSecond = 100

/** Milliseconds of processor time, user and system, that a process has used so far; whole ticks of 10 ms. */
export async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // After the name, which is in parentheses and may hold anything: state is field 3, utime 14, stime 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond
}
