// Sources/CZlib/shim.h: deflateInit2() is a macro and Swift sees no macros with arguments.
#pragma once
#include <zlib.h>

// Begins a stream with gzip's head and tail around it. Source: zlib.h, deflateInit2: 16 added to the window bits asks for gzip.
static inline int czlib_begin_gzip(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
