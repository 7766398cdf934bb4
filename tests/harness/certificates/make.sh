#!/usr/bin/env bash
# Make the certificates of this folder again (OpenSSL 3). They are committed, so that no test needs OpenSSL.
# Neither authority nor any certificate has a key identifier, and no authority has a key usage: Go and curl accept
# them, and Python's strict flag (the default from 3.13 on) does not. All dates are fixed, so that no clock is too early.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/openssl.cnf" <<'CONF'
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = none
authorityKeyIdentifier = none
[ca]
default_ca = test
[test]
policy = any
default_md = sha256
database = $ENV::WORK/index.txt
serial = $ENV::WORK/serial
new_certs_dir = $ENV::WORK
unique_subject = no
[any]
commonName = supplied
CONF
export WORK=$work
touch "$work/index.txt"
echo 1000 >"$work/serial"

from=20200101000000Z
to=21200101000000Z

authority() { # NAME SUBJECT
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.key"
    openssl req -new -key "$work/$1.key" -subj "/CN=$2" -config "$work/openssl.cnf" -out "$work/$1.csr"
    openssl ca -batch -notext -selfsign -config "$work/openssl.cnf" -keyfile "$work/$1.key" \
        -startdate "$from" -enddate "$to" -extensions authority -in "$work/$1.csr" -out "$1.pem"
}

certificate() { # NAME AUTHORITY FROM TO ALTERNATIVE-NAMES
    openssl req -new -key server.key -subj "/CN=$1" -config "$work/openssl.cnf" -out "$work/$1.csr"
    printf 'subjectAltName = %s\nsubjectKeyIdentifier = none\nauthorityKeyIdentifier = none\n' "$5" >"$work/$1.ext"
    openssl ca -batch -notext -config "$work/openssl.cnf" -cert "$2.pem" -keyfile "$work/$2.key" \
        -startdate "$3" -enddate "$4" -extfile "$work/$1.ext" -in "$work/$1.csr" -out "$1.pem"
}

# The last three are where pods of tests/harness/node reach the API server.
here=IP:127.0.0.1,IP:::1,DNS:localhost,DNS:netbird.example.com,IP:10.0.0.1,IP:198.51.100.1,DNS:kubernetes.default.svc
openssl ecparam -name prime256v1 -genkey -noout -out server.key
authority authority "Company CA"
authority next-authority "Next Company CA"
certificate server authority "$from" "$to" "$here"
certificate next-server next-authority "$from" "$to" "$here"
certificate expired authority "$from" 20200201000000Z "$here"
certificate not-yet-valid authority 21190101000000Z "$to" "$here"
certificate other-host authority "$from" "$to" DNS:other.example.com
