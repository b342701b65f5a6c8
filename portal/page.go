package portal

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
)

// templateFiles are the pages: layout.html and the files under shared/ belong to every one, each other file is one
// page and defines "title" and "main".
//
//go:embed templates
var templateFiles embed.FS

// pages are the parsed pages, by language and name: "choice" is templates/choice.html, "steward/queue"
// templates/steward/queue.html.
type pages map[string]map[string]*template.Template

// parsePages parses all pages in all languages, and panics on one that cannot be read.
func (p *Portal) parsePages() pages {
	shared, err := fs.Glob(templateFiles, "templates/shared/*.html")
	if err != nil {
		panic("portal: " + err.Error())
	}
	out := pages{}
	for _, language := range languages {
		base := template.Must(template.New("layout").Funcs(p.functions(language)).ParseFS(templateFiles, append(shared, "templates/layout.html")...))
		out[language] = map[string]*template.Template{}
		err := fs.WalkDir(templateFiles, "templates", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Dir(name) == "templates/shared" || name == "templates/layout.html" {
				return err
			}
			set := template.Must(template.Must(base.Clone()).ParseFS(templateFiles, name))
			out[language][strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")] = set
			return nil
		})
		if err != nil {
			panic("portal: " + err.Error())
		}
	}
	return out
}

// functions are what templates can call, in one language:
//
//	t KEY [NAME VALUE]…      the words of KEY
//	tn KEY N [NAME VALUE]…   N of something: KEY.one or KEY.many
//	number N · day TIME · moment TIME
//	kind CODE FALLBACK       what documents of a class are called, FALLBACK for a class without words
//	purpose CODE · role CODE · duty DUTY
//	org ID · site ID         names from the directory; orgkind SITE what kind of place a site is, "" when there is no word for it
//	found PREFIX CODE VALUES what was found at a check of a site, its values in words
//	asset NAME               the address of an embedded file
//	actor BY                 the person of "organization/person"
//	bits WEIGHT · level EVIDENCE   how strongly a field speaks, and how it compares
//	state STATE              the state of a policy
//	inc N                    N + 1
//	round F · tenth F        the nearest whole number, and to a tenth
//	dict NAME VALUE…         a map, to give a shared part several values
func (p *Portal) functions(language string) template.FuncMap {
	say := func(key string, values ...any) string { return p.words.say(language, key, values...) }
	coded := func(prefix, code, other string) string {
		if _, ok := p.words[language][prefix+code]; ok {
			return say(prefix + code)
		}
		return other
	}
	return template.FuncMap{
		"t":      say,
		"tn":     func(key string, n any, values ...any) string { return p.words.count(language, key, n, values...) },
		"number": func(n any) string { return number(language, n) },
		"day":    func(t time.Time) string { return day(language, t) },
		"moment": func(t time.Time) string { return moment(language, t) },
		"phone": func(id hie.SiteID) string {
			s, _ := p.deps.Network().Site(id)
			return s.Phone
		},
		"kind": func(code, other string) string { return coded("kind.", code, other) },
		"purpose": func(code string) string {
			return coded("purpose.", code, say("purpose.other", "code", code))
		},
		"role": func(code string) string { return coded("role.", code, code) },
		"duty": func(d access.Duty) string { return say("duty." + string(d)) },
		"org": func(id hie.OrgID) string {
			if o, ok := p.deps.Network().Organization(id); ok {
				return o.Name
			}
			return string(id)
		},
		"site": func(id hie.SiteID) string {
			if s, ok := p.deps.Network().Site(id); ok {
				return s.Name
			}
			return string(id)
		},
		"orgkind": func(id hie.SiteID) string {
			s, _ := p.deps.Network().Site(id)
			o, _ := p.deps.Network().Organization(s.Org)
			return coded("orgkind.", o.Kind, "")
		},
		"found": func(prefix, code string, values map[string]string) string {
			pairs := make([]string, 0, 2*len(values))
			for name, value := range values {
				pairs = append(pairs, "{"+name+"}", p.foundValue(language, name, value))
			}
			return strings.NewReplacer(pairs...).Replace(say(prefix + code))
		},
		"asset": assetPath,
		"actor": actorName,
		"state": func(s string) string { return coded("policystate.", strings.ReplaceAll(s, " ", "-"), s) },
		"bits":  func(b float64) string { return weight(language, b) },
		"inc":   func(n int) int { return n + 1 },
		"tenth": func(f float64) string {
			return strings.TrimPrefix(weight(language, math.Round(10*math.Max(f, .1))/10), "+")
		},
		"round": func(f float64) int64 { return int64(math.Round(f)) },
		"level": func(e evidence) string { return coded("", e.Words(), e.Level) },
		"div":   func(a, b int64) int64 { return a / b },
		"dict": func(pairs ...any) (map[string]any, error) {
			if len(pairs)%2 != 0 {
				return nil, fmt.Errorf("dict needs names and values")
			}
			out := map[string]any{}
			for i := 0; i < len(pairs); i += 2 {
				out[fmt.Sprint(pairs[i])] = pairs[i+1]
			}
			return out, nil
		},
	}
}

// A frame is what every page is made of; Data is the page's own.
type frame struct {
	Language string
	// Languages are all there are, for the switch.
	Languages []string
	Name      string // of the page
	Path      string // of this page, to come back to; "/" when it cannot be come back to
	Request   string // the id everything about this page is recorded under
	Duty      access.Duty
	User      string
	OrgID     hie.OrgID
	Nav       []link
	Demo      bool
	// Acting says that somebody acts in a patient's name.
	Acting bool
	// Notice is a key of words to say once, "" for nothing.
	Notice string
	// Ends is in how many seconds the session ends if nothing is done, 0 when nobody is signed in.
	Ends int
	Data any
}

// A link stands in the navigation.
type link struct {
	Path, Key string
	Here      bool
}

func (v *visit) frame(name string, data any) frame {
	f := frame{Language: v.language, Languages: languages, Name: name, Path: v.here(), Request: requestID(v.c), Duty: v.session.Duty, User: v.session.Actor.UserName,
		OrgID: v.session.Actor.Organization, Demo: v.cfg.Demo != nil, Acting: v.session.Actor.Representative != "", Notice: v.notice, Data: data}
	if v.session.Duty == "" {
		return f
	}
	f.Ends = int(v.session.Ends().Sub(v.now) / time.Second)
	for _, r := range v.table() {
		if r.nav != "" && slices.Contains(r.duties, v.session.Duty) && !(r.self && f.Acting) {
			f.Nav = append(f.Nav, link{Path: r.path, Key: r.nav})
		}
	}
	mark(f.Nav, v.c.FullPath())
	return f
}

// mark marks the entry a page belongs to: its own, else the one whose path is the longest beginning of the page's.
func mark(nav []link, here string) {
	best := -1
	for i, l := range nav {
		if (l.Path == here || strings.HasPrefix(here, l.Path+"/")) && (best < 0 || len(l.Path) > len(nav[best].Path)) {
			best = i
		}
	}
	if best >= 0 {
		nav[best].Here = true
	}
}
