// Starts and stops the program, and what it stands on: each on a free port, with its files in one temporary folder.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../../..');
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A folder that goes when the process ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'fovea-load-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.on('exit', () => children.delete(child));
  child.on('error', (error) => {
    console.error(`${command}: ${error.message}`);
    process.exit(2);
  });
  return child;
}

export async function freePort() {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** Calls `ready` until it gives true, at most `seconds`. */
export async function until(what, ready, seconds = 60) {
  const end = Date.now() + 1000 * seconds;
  while (Date.now() < end) {
    if (await ready()) return;
    await sleep(50);
  }
  throw new Error(`${what}: not within ${seconds} s`);
}

/** `fovea serve` with a configuration file (TOML text). */
export class Fovea {
  /** `mount`: bytes of a file system of its own for the state; needs the right to mount. */
  constructor({ folder, config, model, dtype, mount = 0, env = {} }) {
    this.program = process.env.FOVEA_PROGRAM ?? path.join(root, 'build/release/fovea');
    this.folder = folder;
    this.model = model;
    this.dtype = dtype;
    this.mount = mount;
    this.env = env;
    this.log = path.join(folder, 'fovea.log');
    mkdirSync(path.join(folder, 'state'), { recursive: true });
    writeFileSync(path.join(folder, 'fovea.toml'), config);
  }

  async start() {
    this.port ??= await freePort();
    const args = ['serve', '--config', path.join(this.folder, 'fovea.toml'), '--port', String(this.port)];
    if (this.model) args.push('--model', this.model);
    if (this.dtype) args.push('--dtype', this.dtype);
    const state = path.join(this.folder, 'state');
    const env = { ...process.env, XDG_STATE_HOME: state, ...this.env };
    const begin = process.hrtime.bigint();
    const [command, all] = this.mount
      ? ['unshare', ['--mount', '--map-root-user', 'sh', '-c',
          `mount -t tmpfs -o size=${this.mount} tmpfs "$XDG_STATE_HOME" && exec "$@"`, 'sh', this.program, ...args]]
      : [this.program, args];
    this.child = start(command, all, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.errors ??= '';
    this.child.stderr.on('data', (text) => {
      this.errors = (this.errors + text).slice(-200_000);
    });
    const ready = await new Promise((resolve) => {
      this.child.stderr.on('data', () => this.errors.includes('ready: ') && resolve(true));
      this.child.once('exit', () => resolve(false));
    });
    if (!ready) throw new Error(`the server did not become ready:\n${this.errors}`);
    this.readyMs = Number(process.hrtime.bigint() - begin) / 1e6;
    this.errors = '';
    return this;
  }

  /** The resident memory in megabytes. */
  memory() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024;
  }

  /** Seconds of processor time since it started. */
  cpu() {
    const text = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  async end(signal = 'SIGTERM') {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill(signal);
    await gone;
  }
}

/** Redis, without persistence. */
export class Redis {
  async start() {
    this.port ??= await freePort();
    this.child = start('redis-server', ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly',
      'no', '--dir', tmpdir()], { stdio: 'ignore' });
    await until('redis-server', () => answers(this.port));
    return this;
  }
  url() { return `redis://127.0.0.1:${this.port}`; }
  async kill() {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

/** PostgreSQL with a cluster in the folder; as the user "postgres" where this is root, whom it refuses. */
export class Postgres {
  constructor(folder) {
    this.data = path.join(folder, 'postgres');
  }
  static binaries() {
    const found = spawnSync('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1'], { encoding: 'utf8' });
    return found.stdout.trim();
  }
  #run(program, args) {
    const command = path.join(Postgres.binaries(), program);
    return process.getuid() === 0 ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', command, ...args]]
      : [command, args];
  }
  async start() {
    if (!existsSync(this.data)) {
      mkdirSync(this.data, { recursive: true });
      if (process.getuid() === 0) {
        spawnSync('chown', ['-R', 'postgres', this.data]);
        spawnSync('chmod', ['a+x', path.dirname(this.data)]);
      }
      const [command, args] = this.#run('initdb', ['-D', this.data, '-U', 'fovea', '-A', 'trust', '-N']);
      const made = spawnSync(command, args, { encoding: 'utf8' });
      if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
    }
    this.port ??= await freePort();
    const [command, args] = this.#run('postgres', ['-D', this.data, '-p', String(this.port), '-h', '127.0.0.1', '-k', '',
      '-c', 'fsync=off']);
    this.child = start(command, args, { stdio: 'ignore' });
    await until('postgres', () => answers(this.port));
    await sleep(500);  // it listens a moment before it lets anyone in
    return this;
  }
  url() { return `postgresql://fovea@127.0.0.1:${this.port}/postgres`; }
  async kill() {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGQUIT');  // an immediate shutdown: nothing is flushed, its children go too
    await gone;
  }
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
