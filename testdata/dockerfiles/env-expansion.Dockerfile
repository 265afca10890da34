# Every kind of expansion.
FROM scratch
ENV x=foobarbaz empty=
ENV a=${x:-default} b=${y:-default} c=${empty:-default} d=${empty-default} e=${y-default}
ENV f=${x:+set} g=${y:+set} h=${empty:+set} i=${empty+set}
ENV j=${x#f*b} k=${x##f*b} l=${x%b*} m=${x%%b*}
ENV n=${x/ba/fo} o=${x//ba/fo} p=${x/\*/} q=${x//a/}
ENV r=${y:-${x:-${z:-deep}}} s=${y:-"quoted"}
ENV t=\$x u=\${x} v='$x' w="$x"
ENV required="${x:?must be set}" also=${x?must\ be\ set}
