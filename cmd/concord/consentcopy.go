package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/concord-hie/concord/internal/token"
)

// copyReader is how the commands for sites that enforce for themselves reach a node: as a client of the site, over HTTP.
type copyReader struct {
	Client string `required:"" help:"Client id of the site, registered with the scope concord/copy.read." placeholder:"ID"`
	Key    string `required:"" help:"The client's private key: JWK or PEM." placeholder:"FILE"`
	Org    string `help:"URI of the site's organisation; default: what demo.json beside or above the key file says." placeholder:"URI"`
	URL    string `help:"The node's origin; default: what demo.json says, else http://127.0.0.1:8440." placeholder:"URL"`
}

// get reads path into out.
func (r *copyReader) get(ctx context.Context, path string, out any) error {
	raw, err := os.ReadFile(r.Key)
	if err != nil {
		return fmt.Errorf("consent: the key file %s cannot be read", r.Key)
	}
	signer, err := token.ReadSigner(raw)
	if err != nil {
		return fmt.Errorf("consent: %s: %w", r.Key, err)
	}
	t := tokenCmd{Client: r.Client, Key: r.Key, Org: r.Org, URL: r.URL}
	t.fillFromDemo()
	if t.Org == "" {
		return errors.New("consent: --org is needed: the URI by which the directory knows the site's organisation")
	}
	base := strings.TrimSuffix(strings.TrimSuffix(t.URL, "/"), "/oauth/token")
	if base == "" {
		base = "http://127.0.0.1:8440"
	}
	got, err := newAPIClient(base, r.Client, t.Org, signer).call(ctx, asker{purposes: "HOPERAT", scopes: "concord/copy.read"}, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return fmt.Errorf("consent: the node answers %s", got.problem())
	}
	return json.Unmarshal(got.body, out)
}

// consentChangesCmd prints the change feed of a site.
type consentChangesCmd struct {
	copyReader
	After  string `help:"Go on behind this place, as the last line printed it (json: next)." placeholder:"CURSOR"`
	Wait   int    `default:"0" help:"Seconds to wait for a change, at most 25." placeholder:"SECONDS"`
	Follow bool   `help:"Go on until interrupted."`
	Output string `enum:"table,json" default:"table" help:"table, or json: one page a line."`
}

// Help implements kong.HelpProvider.
func (consentChangesCmd) Help() string {
	return `For a site that enforces consent by itself: which of its registrations something else binds than before. From the beginning it names every
registration that anything binds; nothing is left out, and nobody has to register. What binds them now is had by concord consent copy.

Examples:
  concord consent changes --client harbor-main-feed --key demo/keys/harbor-main-feed.jwk
  concord consent changes --client ID --key FILE --follow --output json`
}

// copyPage is a page of changes as the node answers it.
type copyPage struct {
	Changes []struct {
		Patient string    `json:"patient"`
		Version *string   `json:"version"`
		At      time.Time `json:"at"`
	} `json:"changes"`
	Next    string `json:"next"`
	Pending bool   `json:"pending"`
	Rules   string `json:"rules"`
}

// Run prints what changed, page by page.
func (c *consentChangesCmd) Run(ctx context.Context, s *streams) error {
	after, rules := c.After, ""
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	if c.Output == "table" {
		fmt.Fprintln(w, "PATIENT\tAT\tVERSION")
	}
	for {
		wait := c.Wait
		if c.Follow {
			wait = 25
		}
		q := url.Values{"wait": {strconv.Itoa(wait)}}
		if after != "" {
			q.Set("after", after)
		}
		if rules != "" {
			q.Set("rules", rules)
		}
		var page copyPage
		if err := c.get(ctx, "/admin/v1/consent/copies?"+q.Encode(), &page); err != nil {
			if ctx.Err() != nil && c.Follow {
				return nil
			}
			return err
		}
		if c.Output == "json" {
			if err := json.NewEncoder(s.out).Encode(page); err != nil {
				return err
			}
		} else {
			for _, n := range page.Changes {
				version := "none: nothing binds it any more"
				if n.Version != nil {
					version = (*n.Version)[:16]
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", n.Patient, n.At.UTC().Format(time.RFC3339), version)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if rules != "" && rules != page.Rules {
				fmt.Fprintln(s.err, "the rules changed: concord consent copy --rules")
			}
		}
		done := len(page.Changes) == 0 && !page.Pending
		if after, rules = page.Next, page.Rules; done && !c.Follow {
			if c.Output == "table" {
				fmt.Fprintln(s.err, "go on with --after "+after)
			}
			return nil
		}
	}
}

// consentCopyCmd prints what binds one registration of a site.
type consentCopyCmd struct {
	copyReader
	Patient string `arg:"" optional:"" help:"FHIR id of the patient, as concord consent changes names it."`
	Rules   bool   `help:"Print the rules that hold at the site instead, which a copy is used with."`
}

// Help implements kong.HelpProvider.
func (consentCopyCmd) Help() string {
	return `For a site that enforces consent by itself: what binds one of its registrations now, as JSON. It holds until the instant it names.

Examples:
  concord consent copy PATIENT --client harbor-main-feed --key demo/keys/harbor-main-feed.jwk
  concord consent copy --rules --client ID --key FILE > rules.json`
}

// Validate implements kong's check of flags that go together.
func (c *consentCopyCmd) Validate() error {
	if (c.Patient == "") != c.Rules {
		return errors.New("name a patient, or --rules")
	}
	return nil
}

// Run prints the JSON of the node, indented.
func (c *consentCopyCmd) Run(ctx context.Context, s *streams) error {
	path := "/admin/v1/consent/copies/" + url.PathEscape(c.Patient)
	if c.Rules {
		path = "/admin/v1/consent/rules"
	}
	var raw json.RawMessage
	if err := c.get(ctx, path, &raw); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(s.out, out.String())
	return err
}
