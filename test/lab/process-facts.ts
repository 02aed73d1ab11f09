import { readdir, readFile, readlink } from 'node:fs/promises'

/** What the kernel says of a process (Linux, proc(5)). */
export interface ProcessFacts {
  /** User and system time used so far. */
  readonly cpuSeconds: number
  readonly rssBytes: number
  readonly fileDescriptors: number
  readonly sockets: number
  readonly threads: number
}

/** The kernel counts processor time for user space in hundredths of a second on every Linux (USER_HZ). */
const TICKS_PER_SECOND = 100

export async function processFacts(pid: number): Promise<ProcessFacts> {
  const [statText, statusText, descriptors] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/status`, 'utf8'),
    readdir(`/proc/${pid}/fd`),
  ])
  // The second field is the command in brackets and may contain spaces: count from behind it.
  const fields = statText.slice(statText.lastIndexOf(')') + 2).split(' ')
  const links = await Promise.all(
    descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')),
  )
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    rssBytes: Number(/VmRSS:\s+(\d+)/.exec(statusText)?.[1] ?? 0) * 1024,
    fileDescriptors: links.filter((link) => link !== '').length,
    sockets: links.filter((link) => link.startsWith('socket:')).length,
    threads: Number(/Threads:\s+(\d+)/.exec(statusText)?.[1] ?? 0),
  }
}
