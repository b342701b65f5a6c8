package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A knocker is somebody signed in who sends what they like.
type knocker struct {
	t    testing.TB
	base string
	http *http.Client
}

func (p *pagesUnderTest) knocker(t testing.TB, account string) *knocker {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &knocker{t: t, base: p.demo.BaseURL, http: &http.Client{Jar: jar}}
	if status, _ := c.do(http.MethodGet, "/signin?as="+account, nil); status != http.StatusOK {
		t.Fatalf("%s cannot sign in: %d", account, status)
	}
	return c
}

// do sends a request as a page of ours would and returns the status and body of the answer, redirects followed.
func (c *knocker) do(method, path string, form url.Values) (int, string) {
	c.t.Helper()
	r, err := http.NewRequest(method, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", c.base)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)">`)

// prove proves anew who they are, at the demo's provider.
func (c *knocker) prove() {
	c.t.Helper()
	_, page := c.do(http.MethodGet, "/signin/again?next=/", nil)
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`).Replace(m[2]))
	}
	target := form.Get("redirect_uri")
	if target == "" {
		c.t.Fatalf("no page asks who it is: %s", page)
	}
	answer, err := c.http.PostForm(c.provider()+"/authorize", form)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = answer.Body.Close()
}

// provider is the origin of the demo's identity provider, as the portal's policy names it.
func (c *knocker) provider() string {
	answer, err := c.http.Get(c.base + "/help")
	if err != nil {
		c.t.Fatal(err)
	}
	_ = answer.Body.Close()
	m := regexp.MustCompile(`form-action 'self' (\S+);`).FindStringSubmatch(answer.Header.Get("Content-Security-Policy"))
	if m == nil {
		c.t.Fatal("the policy names no provider")
	}
	return m[1]
}

// first returns the first match of pattern in the page at path.
func (c *knocker) first(method, path string, form url.Values, pattern string) string {
	c.t.Helper()
	_, page := c.do(method, path, form)
	m := regexp.MustCompile(pattern).FindStringSubmatch(page)
	if m == nil {
		c.t.Fatalf("%s holds nothing like %s", path, pattern)
	}
	return m[1]
}

// crossing has each persona try what is another's, by its own true address.
func (p *pagesUnderTest) crossing(t *testing.T) {
	maria, thomas := p.knocker(t, "maria"), p.knocker(t, "thomas")
	bloom, hadley, desk := p.knocker(t, "dr-bloom"), p.knocker(t, "n.hadley"), p.knocker(t, "t.amari")
	maria.prove()
	thomas.prove()
	desk.prove()

	maria.do(http.MethodPost, "/my/choice", url.Values{"pick": {"share"}})
	_, page := maria.do(http.MethodPost, "/my/choice/confirm", nil)
	if !strings.Contains(page, "Your receipt") {
		t.Fatalf("no receipt: %s", page)
	}
	receipt := maria.address("/my/choice/confirm", url.Values{})
	maria.do(http.MethodPost, "/my/rules", url.Values{"group": {"hiv"}})
	maria.do(http.MethodPost, "/my/rules/confirm", nil)
	rule := maria.first(http.MethodGet, "/my/rules", nil, `action="(/my/rules/[a-z0-9]+/end)"`)
	event := maria.first(http.MethodGet, "/my/looked", nil, `href="(/my/looked/ask/[0-9a-f-]+)"`)
	ours := bloom.first(http.MethodPost, "/find", url.Values{"number": {"RF-1001"}}, `href="/patients/([a-z0-9]+)\?wait=1"`)
	theirs := hadley.first(http.MethodPost, "/find", url.Values{"number": {"HG-20417"}}, `href="/patients/([a-z0-9]+)\?wait=1"`)
	document := bloom.first(http.MethodGet, "/patients/"+ours, nil, `href="(/documents/[a-z0-9]+)\?`)

	for _, tt := range []struct {
		name         string
		who          *knocker
		method, path string
		form         url.Values
	}{
		{"another patient's receipt", thomas, "GET", receipt, nil},
		{"another patient's rule", thomas, "POST", rule, nil},
		{"a line of another patient's history", thomas, "GET", event, nil},
		{"a question about another patient's line", thomas, "POST", event, url.Values{"words": {"who?"}}},
		{"a receipt by an id of another kind", maria, "GET", "/my/choice/receipt/" + ours + "/1", nil},
		{"a version there is not", maria, "GET", receipt + "0", nil},
		{"another practice's registration at the desk", desk, "GET", "/desk/" + theirs, nil},
		{"a choice for another practice's registration", desk, "POST", "/desk/" + theirs, url.Values{"pick": {"never"}, "method": {"paper"}}},
		{"a document, for the front desk", desk, "GET", document, nil},
		{"a patient's records, for the front desk", desk, "GET", "/patients/" + ours, nil},
		{"a patient's pages, for a clinician", bloom, "GET", "/my/looked", nil},
		{"the officers' questions, for a clinician", bloom, "GET", "/officer/questions", nil},
		{"a patient nobody is", bloom, "GET", "/patients/" + strings.Repeat("0", 39), nil},
		{"a patient's number in the path", bloom, "GET", "/patients/RF-1001", nil},
		{"a document's file by a patient's id", bloom, "GET", "/documents/" + ours + "/file", nil},
	} {
		status, page := tt.who.do(tt.method, tt.path, tt.form)
		if status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", tt.name, status)
		}
		for _, c := range personal {
			if tt.who != maria && !strings.Contains(tt.path, c) && strings.Contains(page, c) { // her own name stands on her pages, what was typed on anybody's
				t.Errorf("%s: the page says %q", tt.name, c)
			}
		}
	}
	maria.do(http.MethodPost, rule, nil)

	cookies := maria.http.Jar.Cookies(mustURL(t, maria.base))
	maria.do(http.MethodPost, "/signout", nil)
	jar, _ := cookiejar.New(nil) // never an error without options
	jar.SetCookies(mustURL(t, maria.base), cookies)
	thief := &knocker{t: t, base: maria.base, http: &http.Client{Jar: jar}}
	if status, _ := thief.do(http.MethodGet, "/my", nil); status != http.StatusUnauthorized {
		t.Errorf("a copied cookie after signing out: %d, want 401", status)
	}
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// address files a share once more and returns the path of its receipt.
func (c *knocker) address(path string, form url.Values) string {
	c.t.Helper()
	c.do(http.MethodPost, "/my/choice", url.Values{"pick": {"share"}})
	client := *c.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequest(http.MethodPost, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Origin", c.base)
	answer, err := client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.Header.Get("Location")
}

// canary looks for what the stories told of people in the node's log.
func (p *pagesUnderTest) canary(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(p.dir, "concord.log"))
	if err != nil || len(raw) < 10_000 {
		t.Fatalf("the log holds %d bytes, %v: nothing was looked at", len(raw), err)
	}
	for _, c := range personal {
		if strings.Contains(string(raw), c) {
			t.Errorf("the log holds %q", c)
		}
	}
	if !strings.Contains(string(raw), `"route":"/my/looked"`) {
		t.Error("the log does not tell of the pages")
	}
}
