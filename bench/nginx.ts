import { mkdtemp, open, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, NativeServer } from './native-server.ts'

/** nginx with sendfile off serving one file from the page cache: the floor of copying bytes from memory to sockets. */
export class Nginx implements AsyncDisposable {
  readonly url: string
  readonly #server: NativeServer

  private constructor(server: NativeServer) {
    this.#server = server
    this.url = `http://127.0.0.1:${server.port}`
  }

  /**
   * Undefined where nginx is not installed. `piece` is repeated until the file has `fileBytes`. `fields`: directives that
   * add fields to every answer.
   */
  static async start(piece: Buffer, fileBytes: number, fields = ''): Promise<Nginx | undefined> {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-nginx-'))
    const port = await freePort()
    await writeRepeated(join(directory, 'live.ts'), piece, fileBytes)
    await writeFile(join(directory, 'nginx.conf'), configuration(directory, port, fields))
    const args = ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr']
    const server = await NativeServer.start('nginx', args, port, directory)
    return server === undefined ? undefined : new Nginx(server)
  }

  get pid(): number {
    return this.#server.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }
}

function configuration(directory: string, port: number, fields: string): string {
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
  ${fields}
  server { listen 127.0.0.1:${port}; root ${directory}; }
}
`
}

async function writeRepeated(path: string, piece: Buffer, fileBytes: number): Promise<void> {
  await using file = await open(path, 'w')
  for (let written = 0; written < fileBytes; written += piece.length) await file.write(piece)
}
