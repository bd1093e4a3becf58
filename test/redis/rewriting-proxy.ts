/** A proxy that changes what a server says, to texts of the same length, such as its version. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';

export class RewritingProxy {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async start(targetPort: number, pattern: RegExp, change: (found: string) => string): Promise<RewritingProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const proxy = new RewritingProxy(server, (server.address() as { port: number }).port);
    server.on('connection', (client) => {
      const target = createConnection({ port: targetPort, host: '127.0.0.1' });
      for (const socket of [client, target]) {
        proxy.sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          client.destroy();
          target.destroy();
        });
      }
      client.on('data', (chunk) => target.write(chunk));
      target.on('data', (chunk) =>
        client.write(Buffer.from(chunk.toString('latin1').replace(pattern, change), 'latin1')),
      );
    });
    return proxy;
  }

  async dispose(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => void this.server.close(resolve));
  }
}
