#!/bin/sh
# Makes the certificates of the TLS tests anew, valid from 2020 to 2120. They are in the repository so that the tests need
# no openssl and no clock that is right; their keys are public and protect nothing. Run it in this folder.
#
#   ca.crt         the authority that the tests trust, and other-ca.crt one that signed nothing
#   server.*       signed by it, for localhost and 127.0.0.1
#   elsewhere.*    signed by it, for redis.example: the wrong name on every machine of the tests
#   client.*       signed by it, for a client that has to show who it is
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index"
cat >"$work/ca.conf" <<END
[ca]
default_ca = tests
[tests]
database = $work/index
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
END

# name, extensions, and how it is signed
certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
    -keyout "$1.key" -out "$work/csr" -subj "/CN=atomic-queues tests: $1" 2>/dev/null
  printf '%s\n' "$2" >"$work/extensions"
  name=$1
  shift 2
  openssl ca -batch -notext -config "$work/ca.conf" -startdate 20200101000000Z -enddate 21200101000000Z \
    -extfile "$work/extensions" -in "$work/csr" -out "$name.crt" "$@" 2>/dev/null
}

authority='basicConstraints=critical,CA:TRUE
subjectKeyIdentifier=hash'
certificate ca "$authority" -selfsign -keyfile ca.key
certificate other-ca "$authority" -selfsign -keyfile other-ca.key
certificate server 'subjectAltName=DNS:localhost,IP:127.0.0.1' -cert ca.crt -keyfile ca.key
certificate elsewhere 'subjectAltName=DNS:redis.example' -cert ca.crt -keyfile ca.key
certificate client 'extendedKeyUsage=clientAuth' -cert ca.crt -keyfile ca.key
# Nothing is to be signed with them again.
rm ca.key other-ca.key
