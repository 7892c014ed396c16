// Writes the files of `target.mjs` for programs that bring no notification endpoint of their own.
//
//   node suite/prepare.mjs FOLDER

import * as certificates from './certificates.mjs';
import { prepare } from './target.mjs';

const [folder] = process.argv.slice(2);
const authority = await certificates.authority();
// The name is reserved (RFC 2606): a ping to it reaches nobody.
await prepare(folder, 'https://client.invalid', { authority });
console.log(`prepared ${folder}`);
