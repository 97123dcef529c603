#!/bin/sh
# make demo: a file goes from a real web server through the image to here, and back again. What it made stays in
# demo-output/. With the argument "venv", or without a container engine, the same from a virtual environment.
set -eu
cd "$(dirname -- "$0")/.."
checkout=$PWD
out=$checkout/demo-output

say() { printf '\n== %s\n' "$1"; }
PS4='$ '
run() { (set -x && "$@"); }

# 1. The program: the image, or else this checkout with its libraries in a virtual environment.
say "Building the image"
engine=0
if [ "${1:-}" = venv ]; then engine=69; else image/build.sh || engine=$?; fi
case $engine in
0) ;;
69)
    echo "There is no container engine: using a virtual environment instead."
    make --silent .venv/installed
    ;;
*) exit "$engine" ;;
esac

if ! command -v nginx >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "the demo needs nginx: install it (Debian: apt-get install nginx-light)" >&2
        exit 69
    fi
    tests/install-servers.sh web
fi

# 2. The server: what a browser would ask a password for, and where PUT may write.
say "Starting a web server with a password"
rm -rf "$out"
mkdir -p "$out"
server=$(mktemp -d)
stop() {
    [ ! -s "$server/nginx.pid" ] || kill "$(cat "$server/nginx.pid")" 2>/dev/null || true
    rm -rf "$server"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$server/www" "$server/tmp" "$server/secrets"
cp examples/data/planets.csv "$server/www/"
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
printf '%s\n' "$password" >"$server/secrets/password"
printf 'alice:{PLAIN}%s\n' "$password" >"$server/users"
user=
[ "$(id -u)" != 0 ] || user='user root;'
for port in 8480 8481 8482 8483; do
    cat >"$server/nginx.conf" <<END
$user
pid $server/nginx.pid;
error_log $server/error.log;
events {}
http {
    access_log $server/access.log;
    client_body_temp_path $server/tmp; proxy_temp_path $server/tmp; fastcgi_temp_path $server/tmp;
    uwsgi_temp_path $server/tmp; scgi_temp_path $server/tmp;
    server {
        listen 127.0.0.1:$port;
        root $server/www;
        auth_basic "planets"; auth_basic_user_file $server/users;
        dav_methods PUT; create_full_put_path on;
    }
}
END
    if nginx -e "$server/error.log" -c "$server/nginx.conf" 2>/dev/null; then break; fi
done
[ -s "$server/nginx.pid" ] || { cat "$server/error.log" >&2; exit 1; }
url=http://127.0.0.1:$port
echo "nginx serves examples/data/planets.csv at $url/planets.csv"

# 3. The documents. The password is in neither: it is a file of its own, mounted where the program looks for it.
cat >"$out/in.yml" <<END
command: red-connector-http
access:
  url: $url/planets.csv
  auth:
    method: BASIC
    username: alice
    password: "{{password}}"
END
cat >"$out/out.yml" <<END
command: red-connector-http
access:
  url: $url/results/planets-again.csv
  method: PUT
  auth:
    method: BASIC
    username: alice
    password: "{{password}}"
END
cd "$out"

connector() {
    if [ "$engine" = 0 ]; then
        run docker run --rm --network host --user "$(id -u):$(id -g)" --read-only --cap-drop ALL \
            -v "$PWD:/data" -v "$server/secrets:/run/secrets/red:ro" red-connectors "$@"
    else
        run env "PATH=$checkout/.venv/bin:$PATH" "RED_SECRETS_DIR=$server/secrets" "$checkout/entrypoint.sh" "$@"
    fi
}

say "What to receive: in.yml"
cat in.yml
say "Receiving it"
connector receive-file in.yml planets.csv
cat planets.csv

say "Where to send it: out.yml"
cat out.yml
say "Sending it"
connector send-file out.yml planets.csv

# 4. The proof.
say "Checksums: as served, as received, as sent back"
sha256sum "$checkout/examples/data/planets.csv" planets.csv "$server/www/results/planets-again.csv" | tee checksums.txt
[ "$(cut -d ' ' -f 1 checksums.txt | sort -u | wc -l)" = 1 ] || { echo "they differ" >&2; exit 1; }
echo "All three are the same. The documents and the file are in demo-output/, to be read: the server has been stopped."
