/** Generated code parsed again: whether there is nothing in it but what the generator means to write. */
import { parseSync } from 'vite';
import type { GeneratedFile } from '../../../../src/contracts/codegen/generated-file.js';

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Every kind of node that generated code is made of. */
const KINDS = new Set(
  (
    'Program ImportDeclaration ImportSpecifier ExportAllDeclaration ExportNamedDeclaration ExportSpecifier Identifier ' +
    'Literal Decorator CallExpression ObjectExpression Property ClassDeclaration ClassBody PropertyDefinition ' +
    'MethodDefinition FunctionExpression BlockStatement ExpressionStatement ReturnStatement AssignmentExpression ' +
    'AssignmentPattern MemberExpression ThisExpression Super PrivateIdentifier UnaryExpression TSInterfaceDeclaration ' +
    'TSInterfaceBody TSPropertySignature TSIndexSignature TSTypeAnnotation TSTypeAliasDeclaration TSTypeReference ' +
    'TSQualifiedName TSTypeParameterInstantiation TSTypeParameterDeclaration TSTypeParameter TSUnionType ' +
    'TSIntersectionType TSArrayType TSTypeOperator TSTupleType TSOptionalType TSRestType TSLiteralType TSTypeLiteral ' +
    'TSStringKeyword TSNumberKeyword TSBooleanKeyword TSNullKeyword TSUndefinedKeyword TSUnknownKeyword TSNeverKeyword ' +
    'TSObjectKeyword TSModuleDeclaration TSModuleBlock TSIndexedAccessType TSConditionalType TSInferType TSFunctionType'
  ).split(' '),
);

const CALLED = new Set([
  'EntityType',
  'JobCommand',
  'JobQuery',
  'QueueEntityId',
  'super',
  'Object.assign',
  'Object.defineProperty',
]);

/** What is wrong with the file; nothing, when it is as it should be. `strings` may stand in it as literals. */
export function faultsOf(
  { path, text }: GeneratedFile,
  strings: ReadonlySet<string>,
  files: ReadonlySet<string>,
): string[] {
  const faults: string[] = [];
  const { program, errors, comments } = parseSync(path, text, { lang: 'ts', sourceType: 'module' });
  for (const { message } of errors) faults.push(`does not parse: ${message}`);
  for (const { value } of comments) if (/[\u2028\u2029]|^[\s*/]*[#@]/m.test(value)) faults.push(`comment: ${value}`);
  const code = comments.reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text);
  if (/[^\n -~]/.test(code)) faults.push('has characters in its code that are not ASCII');
  walk(program as unknown as Node, (node) => {
    if (!KINDS.has(node.type)) faults.push(`has a ${node.type}`);
    if (
      node.type === 'Literal' &&
      typeof node['value'] === 'string' &&
      !strings.has(node['value']) &&
      !/^entityId_*$/.test(node['value'])
    ) {
      faults.push(`has the string ${JSON.stringify(node['value'])}`);
    }
    if (node.type === 'CallExpression' && !CALLED.has(callee(node['callee'] as Node))) {
      faults.push(`calls ${callee(node['callee'] as Node)}`);
    }
    const source = (node['source'] as { readonly value?: string } | null | undefined)?.value;
    if (source !== undefined && source !== 'atomic-queues/core' && !files.has(source)) {
      faults.push(`imports ${source}`);
    }
  });
  return faults.map((fault) => `${path} ${fault}`);
}

function callee(node: Node): string {
  if (node.type === 'Super') return 'super';
  if (node.type === 'MemberExpression') return `${callee(node['object'] as Node)}.${callee(node['property'] as Node)}`;
  return String(node['name']);
}

function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, visit);
  else if (typeof value === 'object' && value !== null) {
    if (typeof (value as Node).type === 'string') visit(value as Node);
    for (const field of Object.values(value)) walk(field, visit);
  }
}
