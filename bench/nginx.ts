import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endWithThisProcess } from '../test/lab/gateway-process.ts'
import { until } from '../test/lab/poll.ts'

const START_DEADLINE_MS = 5_000

/** nginx with sendfile off serving one file from the page cache: the floor of copying bytes from memory to sockets. */
export class Nginx implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(child: ChildProcess, directory: string, url: string) {
    this.#child = child
    this.#directory = directory
    this.url = url
  }

  /** Undefined where nginx is not installed. `piece` is repeated until the file has `fileBytes`. */
  static async start(piece: Buffer, fileBytes: number): Promise<Nginx | undefined> {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-nginx-'))
    const port = await freePort()
    await writeRepeated(join(directory, 'live.ts'), piece, fileBytes)
    await writeFile(join(directory, 'nginx.conf'), configuration(directory, port))
    const child = spawn('nginx', ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'], { stdio: 'ignore' })
    const isMissing = await Promise.race([
      once(child, 'error').then(() => true),
      once(child, 'spawn').then(() => false),
    ])
    if (isMissing) {
      await rm(directory, { recursive: true })
      return undefined
    }
    endWithThisProcess(child)
    const nginx = new Nginx(child, directory, `http://127.0.0.1:${port}`)
    await until(
      () =>
        fetch(`${nginx.url}/live.ts`, { method: 'HEAD' }).then(
          ({ ok }) => ok,
          () => false,
        ),
      { what: 'nginx serving', deadlineMs: START_DEADLINE_MS },
    )
    return nginx
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('nginx is not running')
    return this.#child.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function configuration(directory: string, port: number): string {
  return `daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server { listen 127.0.0.1:${port}; root ${directory}; }
}
`
}

/** A port that was free a moment ago: nginx cannot be told to choose one itself. */
async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function writeRepeated(path: string, piece: Buffer, fileBytes: number): Promise<void> {
  await using file = await open(path, 'w')
  for (let written = 0; written < fileBytes; written += piece.length) await file.write(piece)
}
