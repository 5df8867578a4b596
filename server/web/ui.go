// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// uiFiles are the inspector: plain ES modules and one stylesheet, as browsers get them.
//
//go:embed ui
var uiFiles embed.FS

// uiPolicy lets the inspector only load its own files and send requests to its own server. Its scripts cannot turn text
// into markup.
const uiPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// A uiFile is a file of the inspector.
type uiFile struct {
	content   []byte
	mediaType string
	etag      string
}

// ui are the files of the inspector by name; index.html is also "".
var ui = func() map[string]uiFile {
	files := map[string]uiFile{}
	types := map[string]string{".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	entries, err := fs.ReadDir(uiFiles, "ui")
	if err != nil {
		panic(err) // the files are a part of the program
	}
	for _, e := range entries {
		content, err := uiFiles.ReadFile("ui/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		files[e.Name()] = uiFile{content, types[path.Ext(e.Name())], `"` + hex.EncodeToString(sum[:12]) + `"`}
	}
	files[""] = files["index.html"]
	return files
}()

// serveUI answers a request for the inspector, and reports whether the request was one. It requires no token, since the
// files are the same for everybody; the inspector gets its data from the endpoints, with the client's token. Browsers cache
// the files and revalidate them.
func (h *Handler) serveUI(w http.ResponseWriter, r *http.Request) bool {
	name, ok := strings.CutPrefix(r.URL.Path, "/ui")
	if !ok || h.opts.NoUI || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if name == "" {
		w.Header().Set("Location", "ui/") // relative, since the handler may be mounted below a path
		w.WriteHeader(http.StatusMovedPermanently)
		return true
	}
	name, ok = strings.CutPrefix(name, "/")
	file, known := ui[name]
	if !ok || !known {
		return false
	}
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Security-Policy", uiPolicy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Content-Type", file.mediaType)
	header.Set("ETag", file.etag)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.opts.WriteTimeout))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
	return true
}
