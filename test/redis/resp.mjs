/**
 * A Redis client of a few lines, for the harness only: it must be able to ask a server things while the library's own
 * client is what a test breaks. One connection per call, RESP2, no pipelining.
 */
import { createConnection } from 'node:net';

/** Sends one command to 127.0.0.1:port and resolves with the answer; an error answer rejects. */
export function command(port, args, { password, timeoutMs = 5_000 } = {}) {
  const socket = createConnection({ port, host: '127.0.0.1' });
  socket.setNoDelay(true);
  const commands = password === undefined ? [args] : [['AUTH', password], args];
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(new Error(`No answer to ${args[0]} from port ${port}`)), timeoutMs);
    let received = Buffer.alloc(0);
    const finish = (end) => {
      clearTimeout(timer);
      socket.destroy();
      end();
    };
    const fail = (error) => finish(() => reject(error instanceof Error ? error : new Error(String(error))));
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`Port ${port} closed the connection`)));
    socket.on('connect', () => {
      for (const each of commands) socket.write(encode(each));
    });
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const answers = parseAll(received, commands.length);
      if (answers === undefined) return;
      const failed = answers.find((answer) => answer instanceof Error);
      if (failed !== undefined) fail(failed);
      else finish(() => resolve(answers.at(-1)));
    });
  });
}

function encode(args) {
  const parts = args.map((arg) => Buffer.from(String(arg)));
  const pieces = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) pieces.push(Buffer.from(`$${part.length}\r\n`), part, Buffer.from('\r\n'));
  return Buffer.concat(pieces);
}

/** The first `count` answers, or undefined while they are not complete. */
function parseAll(buffer, count) {
  const answers = [];
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const parsed = parse(buffer, at);
    if (parsed === undefined) return undefined;
    answers.push(parsed.value);
    at = parsed.end;
  }
  return answers;
}

function parse(buffer, start) {
  const lineEnd = buffer.indexOf('\r\n', start);
  if (lineEnd === -1) return undefined;
  const line = buffer.toString('utf8', start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(buffer[start])) {
    case '+':
      return { value: line, end };
    case '-':
      return { value: new Error(line), end };
    case ':':
      return { value: Number(line), end };
    case '$': {
      const length = Number(line);
      if (length === -1) return { value: null, end };
      if (buffer.length < end + length + 2) return undefined;
      return { value: buffer.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case '*': {
      const values = [];
      let at = end;
      for (let left = Number(line); left > 0; left -= 1) {
        const element = parse(buffer, at);
        if (element === undefined) return undefined;
        values.push(element.value);
        at = element.end;
      }
      return { value: Number(line) === -1 ? null : values, end: at };
    }
    default:
      throw new Error(`The server answers with ${JSON.stringify(line)}, which is no RESP2`);
  }
}

/** The fields of an INFO-like answer. */
export function fieldsOf(text) {
  return Object.fromEntries(
    text
      .split('\r\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

/** Asks again and again until the answer is not undefined; what the last attempt failed with is told at the end. */
export async function until(what, ask, { timeoutMs = 15_000, everyMs = 20 } = {}) {
  const endAt = performance.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > endAt) {
      throw new Error(`Waited ${timeoutMs} ms in vain for ${what}${last === undefined ? '' : `: ${last.message}`}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
