# Mixed-case keywords.
From ocaml/opam:debian-12-ocaml-5.2 As build
Run sudo apt-get update && sudo apt-get install -y libev-dev
Workdir /home/opam/app
Copy --chown=opam *.opam .
Run opam install . --deps-only -y
Copy --chown=opam . .
Run opam exec -- dune build --profile=release
From debian:12-slim
Copy --from=build /home/opam/app/_build/default/bin/main.exe /bin/app
Cmd ["app"]
