// Lists and decides the requests of `oidc_provider.mjs` with the words of `ciba-host request …`,
// so that `openid_client.mjs` can be proven against a provider that others wrote.
//
//   node oidc_provider_decide.mjs ISSUER list --json | approve TRANSACTION | deny TRANSACTION

const [issuer, verb, transaction] = process.argv.slice(2);

if (verb === 'list') {
  console.log(await (await fetch(`${issuer}/requests`)).text());
} else {
  const body = new URLSearchParams({ transaction, decision: verb });
  const answer = await fetch(`${issuer}/decide`, { method: 'POST', body });
  if (!answer.ok) {
    console.error(`${verb} ${transaction}: ${answer.status} ${await answer.text()}`);
    process.exit(1);
  }
}
