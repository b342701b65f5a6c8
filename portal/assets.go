package portal

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/concord-hie/concord/hie"
)

// assetFiles are what pages load. Made by others, unchanged, with their licences under licences/: htmx 2.0.11 (0BSD),
// Pico.css 2.1.1 (MIT), uPlot 1.6.32 (MIT).
//
//go:embed assets
var assetFiles embed.FS

// assetHashes are the beginnings of the files' digests: an address changes with its file, so that it may be kept for ever.
var assetHashes = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	_ = fs.WalkDir(assetFiles, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := assetFiles.ReadFile(name)
		if err == nil {
			sum := sha256.Sum256(raw)
			out[strings.TrimPrefix(name, "assets/")] = hex.EncodeToString(sum[:6])
		}
		return err
	})
	return out
})

// assetPath returns the address of an embedded file. It panics for a name there is not: a fault of a template.
func assetPath(name string) string {
	hash, ok := assetHashes()[name]
	if !ok {
		panic("portal: no asset " + name)
	}
	return "/assets/" + hash + "/" + name
}

// asset answers GET /assets/:hash/*name.
func (v *visit) asset() error {
	name := strings.TrimPrefix(v.c.Param("name"), "/")
	if hash, ok := assetHashes()[name]; !ok || hash != v.c.Param("hash") {
		return hie.ErrNotFound
	}
	raw, err := assetFiles.ReadFile("assets/" + name)
	if err != nil {
		return hie.ErrNotFound
	}
	v.c.Header("Cache-Control", "public, max-age=31536000, immutable")
	v.c.Data(http.StatusOK, mime.TypeByExtension(path.Ext(name)), raw)
	return nil
}
