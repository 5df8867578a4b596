// SPDX-License-Identifier: Apache-2.0

package web

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// minCompressed is the least size of an answer that is compressed.
const minCompressed = 1 << 10

// A compressor compresses an answer.
type compressor interface {
	io.Writer
	Flush() error
	Close() error
	Reset(io.Writer)
}

// compressors are for reuse, by the name of their encoding. Each takes up to a megabyte.
var compressors = map[string]*sync.Pool{
	"gzip": {New: func() any { w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return compressor(w) }},
	"zstd": {New: func() any {
		w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		return compressor(w)
	}},
}

// compress returns a compressor in an encoding that the client accepts, and sets the headers; nil if it accepts none.
func compress(w http.ResponseWriter, r *http.Request) (c compressor, done func()) {
	w.Header().Add("Vary", "Accept-Encoding")
	name := encodingFor(r.Header.Get("Accept-Encoding"))
	if name == "" {
		return nil, nil
	}
	w.Header().Set("Content-Encoding", name)
	c = compressors[name].Get().(compressor)
	c.Reset(w)
	return c, func() {
		c.Reset(nil)
		compressors[name].Put(c)
	}
}

// encodingFor returns the best encoding that a client accepts; "": none.
func encodingFor(accept string) (best string) {
	for part := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if q, ok := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q="); ok {
			if n, err := strconv.ParseFloat(q, 64); err != nil || n <= 0 {
				continue
			}
		}
		if name == "zstd" || name == "gzip" && best == "" {
			best = name
		}
	}
	return best
}
