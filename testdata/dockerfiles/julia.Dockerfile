# A long JSON array over several lines.
FROM julia:1.11
COPY Project.toml Manifest.toml /app/
RUN julia --project=/app -e 'using Pkg; Pkg.instantiate(); Pkg.precompile()'
COPY src /app/src
ENTRYPOINT [ \
    "julia", \
    "--project=/app", \
    "--threads=auto", \
    "/app/src/main.jl" \
]
