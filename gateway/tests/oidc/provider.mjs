// A real OpenID Connect provider for the tests: `node provider.mjs '{"port":0,...}'`. It says {"issuer"} on a line of standard output when
// it listens, and ends with its standard input, so that none outlives its test.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const { port, clientSecret, redirectUri, accounts, inIdToken } = JSON.parse(process.argv[2]);

const server = createServer();
await new Promise((listening) => server.listen(port, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

// Another key at every start.
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const provider = new Provider(issuer, {
  clients: [{ client_id: "codex", client_secret: clientSecret, redirect_uris: [redirectUri], post_logout_redirect_uris: [new URL("/", redirectUri).href] }],
  // The name that is typed into the form is the account; the password may be anything.
  findAccount: (_, accountId) =>
    accounts[accountId] && { accountId, claims: () => ({ sub: accountId, ...accounts[accountId] }) },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  // Whether claims are in the ID token, or only told on request.
  conformIdTokenClaims: !inIdToken,
  pkce: { required: () => true },
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256" }] },
  cookies: { keys: ["for tests only"] },
});
provider.on("server_error", (_, error) => console.error(error));
server.on("request", provider.callback());
console.log(JSON.stringify({ issuer }));
process.stdin.on("end", () => process.exit()).resume();
