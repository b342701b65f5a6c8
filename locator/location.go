package locator

import (
	"net/url"
	"path"
	"strings"

	"github.com/concord-hie/concord/directory"
)

// urlCharacters are the characters of a URL (RFC 3986 section 2); others must come percent-encoded.
const urlCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%"

// maxURL bounds an attachment.url in bytes.
const maxURL = 2048

// Locate returns where raw, an attachment.url of a document of site, points: it must be relative, or at the
// origin of one of the site's endpoints. ok is false for anything else: another host, scheme or port, user
// information, a fragment, a step upwards, a path that could be read in two ways. No pointer aims elsewhere.
//
// A path below an endpoint's address is kept relative to it; one elsewhere at its origin begins with "/".
func Locate(site directory.Site, raw string) (_ Location, ok bool) {
	if raw == "" || len(raw) > maxURL || strings.ContainsFunc(raw, func(r rune) bool { return !strings.ContainsRune(urlCharacters, r) }) {
		return Location{}, false
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Fragment != "" || strings.Contains(raw, "#") || u.Opaque != "" || !plainPath(u) {
		return Location{}, false
	}
	for _, e := range site.Endpoints {
		base, err := url.Parse(e.Address)
		if err != nil {
			continue
		}
		if u.Scheme == "" && u.Host == "" {
			if strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "?") || strings.HasPrefix(raw, "//") {
				return Location{}, false
			}
			return Location{Site: site.ID, Endpoint: e.ID, Path: withQuery(u.EscapedPath(), u)}, true
		}
		if !strings.EqualFold(u.Scheme, base.Scheme) || !strings.EqualFold(host(u), host(base)) {
			continue
		}
		rest := u.EscapedPath()
		if below, found := strings.CutPrefix(rest, strings.TrimSuffix(base.EscapedPath(), "/")+"/"); found {
			rest = below
		}
		if rest == "" || rest == "/" {
			return Location{}, false
		}
		return Location{Site: site.ID, Endpoint: e.ID, Path: withQuery(rest, u)}, true
	}
	return Location{}, false
}

func withQuery(path string, u *url.URL) string {
	if u.RawQuery != "" {
		return path + "?" + u.RawQuery
	}
	return path
}

// Address returns the URL at which the bytes of a location are now, by the directory's current picture.
func Address(network *directory.Network, l Location) (string, bool) {
	site, known := network.Site(l.Site)
	if !known {
		return "", false
	}
	for _, e := range site.Endpoints {
		if e.ID != l.Endpoint {
			continue
		}
		if !strings.HasPrefix(l.Path, "/") {
			return strings.TrimSuffix(e.Address, "/") + "/" + l.Path, true
		}
		u, err := url.Parse(e.Address)
		if err != nil {
			return "", false
		}
		return u.Scheme + "://" + u.Host + l.Path, true
	}
	return "", false
}

// plainPath reports whether u's path has no step upwards and no encoded separator.
func plainPath(u *url.URL) bool {
	escaped := strings.ToLower(u.EscapedPath())
	if strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") || strings.Contains(escaped, "%00") || strings.Contains(escaped, "//") {
		return false
	}
	for _, step := range strings.Split(u.Path, "/") {
		if step == ".." || step == "." {
			return false
		}
	}
	return path.Clean("/"+u.Path) != "/"
}

// host returns u's host with its port, the scheme's own where none is written.
func host(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[strings.ToLower(u.Scheme)]
	}
	return u.Hostname() + ":" + port
}
