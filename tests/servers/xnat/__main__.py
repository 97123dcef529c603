"""``python -m tests.servers.xnat [PORT]``: a fake XNAT with a sample project, until it is interrupted."""

import sys
import time

from tests.servers import xnat
from tests.servers.xnat import User


def main() -> None:
    with xnat.start(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as site:
        site.sample()
        site.users["demo"] = User("demo", "demo")
        print(f"baseUrl:  {site.url}")
        print("username: demo")
        print("password: demo")
        print(
            f"more:     {', '.join(sorted(set(site.users) - {'demo', 'guest'}))}, all with: {site.password}"
        )
        for node in site.archive.nodes():
            for resource in node.resources:
                for name in resource.catalogue:
                    print(f"  {resource.uri}/files/{name}")
        sys.stdout.flush()
        told = 0
        try:
            while True:
                time.sleep(0.2)
                for one in site.seen[told:]:
                    print(f"{one.status} {one.user} {one.method} {one.path}", flush=True)
                    told += 1
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
