#!/usr/bin/env bash
# Verifies an agent's credential as an outsider would: with openssl, and the keys in a node's discovery document alone.
#
#   scripts/verify-credential.sh TOKEN_FILE DOCUMENT_FILE [SECONDS]
#
# TOKEN_FILE     holds the credential
# DOCUMENT_FILE  holds the body of http://NODE/.well-known/agent-identity.json
# SECONDS        the time at which it must be valid, since the Unix epoch (default: now)
#
# Each step is printed. Exit 0: verified. 1: refused, the last line says why. 2: wrong arguments.
# python3 reads JSON and base64; all cryptography is openssl's. What only the receiver can check is not checked here: that it is the
# audience (which is printed), and that the credential was not used before.
set -euo pipefail

if [[ $# -lt 2 || $# -gt 3 || ! -r $1 || ! -r $2 ]]; then
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
token_file=$1
document_file=$2
at=${3:-$(date +%s)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refuse() {
    echo "REFUSED: $1"
    exit 1
}

echo "1. take the token apart, and look up its key and its bearer in the document"
python3 - "$token_file" "$document_file" "$work" <<'PYTHON' || refuse "the token does not match the document"
import base64, json, pathlib, sys

token = pathlib.Path(sys.argv[1]).read_text().strip()
document = json.loads(pathlib.Path(sys.argv[2]).read_text())
work = pathlib.Path(sys.argv[3])


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def refuse(reason):
    print("   " + reason)
    sys.exit(1)


parts = token.split(".")
if len(parts) != 3:
    refuse("a credential has three parts, but this has %d" % len(parts))
try:
    header, claims, signature = json.loads(decoded(parts[0])), json.loads(decoded(parts[1])), decoded(parts[2])
except ValueError as error:
    refuse("unreadable: %s" % error)
print("   algorithm %s, key %s" % (header.get("alg"), header.get("kid")))
print("   bearer %s, for %s" % (claims.get("sub"), claims.get("aud")))
if header.get("alg") != "ES256" or header.get("typ") != "agentpin-credential+jwt":
    refuse("only ES256 credentials are accepted")
if claims.get("iss") != document.get("entity"):
    refuse("issued by %s, but the document is %s's" % (claims.get("iss"), document.get("entity")))
keys = [key for key in document["public_keys"] if key["kid"] == header.get("kid")]
if len(keys) != 1:
    refuse("the document has no such key")
bearers = [agent for agent in document["agents"] if agent["agent_id"] == claims.get("sub")]
if len(bearers) != 1 or bearers[0]["status"] != "active":
    refuse("the document has no such active agent")

# A SubjectPublicKeyInfo for P-256 (RFC 5480) is a fixed prefix and the uncompressed point.
prefix = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
point = b"\x04" + decoded(keys[0]["x"]) + decoded(keys[0]["y"])
(work / "key.der").write_bytes(prefix + point)
(work / "signed").write_text(parts[0] + "." + parts[1])
(work / "signature.der").write_bytes(signature)
(work / "kid").write_text(header["kid"])
(work / "times").write_text("%d %d\n" % (claims["iat"], claims["exp"]))
PYTHON

echo "2. read the key"
openssl pkey -pubin -inform DER -in "$work/key.der" -out "$work/key.pem" 2>"$work/error" ||
    refuse "the document's key cannot be read: $(head -n 1 "$work/error")"
sed 's/^/   /' "$work/key.pem"

echo "3. the key's name is the SHA-256 of its DER"
name=$(openssl dgst -sha256 -r "$work/key.der" | cut -d ' ' -f 1)
echo "   $name"
[[ $name == "$(cat "$work/kid")" ]] || refuse "the key's name is not this hash"

echo "4. the signature over the token's first two parts"
openssl dgst -sha256 -verify "$work/key.pem" -signature "$work/signature.der" "$work/signed" 2>/dev/null |
    sed 's/^/   /' || refuse "the signature does not verify"

echo "5. the time"
read -r issued expires <"$work/times"
echo "   issued $issued, expires $expires, judged at $at"
((issued <= at + 60)) || refuse "it is not valid yet"
((expires > at)) || refuse "it has expired"

echo "VERIFIED"
