import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, NativeServer } from './native-server.ts'

export interface NginxHlsOptions {
  /** Passed on through a cache, or the server's own directory is served. */
  readonly origin: string | undefined
  readonly sendfile: boolean
}

/**
 * nginx for HLS, one worker: in front of an origin with `proxy_cache` and `proxy_cache_lock`, playlists kept for a second,
 * or serving files that something else writes into its directory.
 */
export class NginxHls implements AsyncDisposable {
  readonly url: string
  readonly directory: string
  readonly #server: NativeServer

  private constructor(server: NativeServer, directory: string) {
    this.#server = server
    this.directory = directory
    this.url = `http://127.0.0.1:${server.port}`
  }

  /** Undefined where nginx is not installed. */
  static async start(options: NginxHlsOptions): Promise<NginxHls | undefined> {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-nginx-hls-'))
    const port = await freePort()
    await writeFile(join(directory, 'nginx.conf'), configuration(directory, port, options))
    const args = ['-p', directory, '-c', 'nginx.conf', '-e', 'stderr']
    const server = await NativeServer.start('nginx', args, port, directory)
    return server === undefined ? undefined : new NginxHls(server, directory)
  }

  get pid(): number {
    return this.#server.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }
}

function configuration(directory: string, port: number, { origin, sendfile }: NginxHlsOptions): string {
  const files = `server { listen 127.0.0.1:${port}; root ${directory}; }`
  return `daemon off;
master_process off;
pid ${directory}/nginx.pid;
error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile ${sendfile ? 'on' : 'off'};
  tcp_nopush on;
  keepalive_requests 100000;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  ${origin === undefined ? files : cache(directory, port, origin)}
}
`
}

/** What is said of playlists by origins is ignored, as it has to be for a cache of a second. */
function cache(directory: string, port: number, origin: string): string {
  return `proxy_cache_path ${directory}/cache levels=1:2 keys_zone=hls:10m max_size=1g inactive=2m use_temp_path=off;
  upstream origin { server ${new URL(origin).host}; keepalive 8; }
  server {
    listen 127.0.0.1:${port};
    proxy_cache hls;
    proxy_cache_lock on;
    proxy_cache_use_stale updating;
    proxy_ignore_headers Cache-Control Expires;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_cache_valid 200 10m;
    location / { proxy_pass http://origin; }
    location ~ \\.m3u8$ { proxy_pass http://origin; proxy_cache_valid 200 1s; }
  }`
}
