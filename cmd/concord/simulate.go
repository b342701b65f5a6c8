package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/concord-hie/concord/directory/directoryjson"
	"github.com/concord-hie/concord/internal/sim"
)

// simulateCmd writes a made-up population with the truth beside it.
type simulateCmd struct {
	People  int      `default:"10000" help:"How many people to make, 1 to 20000000; each has about three records."`
	Sites   int      `default:"12" help:"How many sites they are patients of, 8 to 40."`
	Seed    uint64   `default:"1" help:"The same seed, people and sites give the same files."`
	Out     string   `help:"Directory for the files, made where it is missing." placeholder:"DIR"`
	Names   string   `help:"Directory of frequency tables of names, instead of a library's lists: us_surnames_2010.csv(.gz), us_given_names_by_decade.csv(.gz) and more." placeholder:"DIR" type:"existingdir"`
	Rates   string   `help:"JSON file of error rates by name, instead of the default ones: {\"given:nickname\": 0.1}. simulation.json lists all." placeholder:"FILE" type:"existingfile"`
	Formats []string `default:"csv" help:"What to write, comma-separated: csv, fhir, adt, documents, consents."`
	DryRun  bool     `help:"Make the population, say what would be written and write nothing."`
	Output  string   `enum:"table,json" default:"table" help:"table or json."`
}

// Help implements kong.HelpProvider.
func (simulateCmd) Help() string {
	return `Nobody in it exists. Files: csv gives records.csv (the schema of linkage sets; person_id is the truth), truth.csv (household, twin,
overlay, ethnicity, sex, age band, what is wrong with each field) and hard_pairs.csv (records of different people that look like one: twins, father
and son of one name, mother and newborn, namesakes, lent cards and more); fhir gives patients.ndjson, adt gives messages.hl7 (one
message a line, in order of time: registrations, updates, merges, links, what was wrong of those and undone, moves and deletes) and events.csv (of
each message whose data it bears, and whether the site is mistaken), documents gives documents.ndjson and consents gives consents.ndjson. simulation.json lists the sites and how often
clerks err, which --rates alters;
directory.json is for concord site apply, after which concord import patients takes patients.ndjson.

Examples:
  concord simulate --people 35000 --out sim100k
  concord simulate --people 350000 --sites 24 --seed 7 --out sim1m --formats csv,fhir
  concord simulate --people 35000 --out careless --rates careless.json`
}

// Run makes the population.
func (c *simulateCmd) Run(ctx context.Context, s *streams) error {
	switch {
	case c.People < 1 || c.People > 20_000_000:
		return errors.New("--people must be 1 to 20000000")
	case c.Sites < 8 || c.Sites > 40:
		return errors.New("--sites must be 8 to 40")
	case c.Out == "" && !c.DryRun:
		return errors.New("--out names the directory for the files; give it, or --dry-run")
	}
	for _, f := range c.Formats {
		if !slices.Contains(sim.Formats, f) {
			return fmt.Errorf("--formats: %q is none of %s", f, strings.Join(sim.Formats, ", "))
		}
	}
	names := sim.DefaultNames(c.Seed)
	if c.Names != "" {
		var err error
		if names, err = sim.LoadNames(os.DirFS(c.Names)); err != nil {
			return err
		}
	}
	rates, err := c.rates()
	if err != nil {
		return err
	}
	order := sim.Order{Seed: c.Seed, People: c.People, Sites: c.Sites, Names: names, Rates: rates, Formats: c.Formats, Dir: c.Out}
	if c.DryRun {
		order.Dir = ""
	}
	bar := newProgress(s.err, "making people", c.People)
	order.Progress = bar.add
	sum, err := sim.Write(ctx, order)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s holds a simulation already; name another directory or remove it", c.Out)
	}
	if err != nil {
		return err
	}
	bar.end()
	if !c.DryRun {
		if err := c.directory(); err != nil {
			return err
		}
	}
	return c.print(s, sum)
}

// rates returns what --rates says.
func (c *simulateCmd) rates() (sim.Rates, error) {
	if c.Rates == "" {
		return sim.DefaultRates(), nil
	}
	f, err := os.Open(c.Rates)
	if err != nil {
		return sim.Rates{}, err
	}
	defer func() { _ = f.Close() }()
	rates, err := sim.ReadRates(f)
	if err != nil {
		return sim.Rates{}, fmt.Errorf("%s: %w", c.Rates, err)
	}
	return rates, nil
}

// directory writes the sites as a directory that `concord site apply` takes.
func (c *simulateCmd) directory() error {
	sites := sim.Exchange(c.Sites)
	bases := map[string]string{}
	for _, s := range sites {
		bases[s.ID] = s.OrgURI + "/fhir"
	}
	return os.WriteFile(filepath.Join(c.Out, "directory.json"), directoryjson.Write(demoDirectory(sites, bases)), 0o644)
}

func (c *simulateCmd) print(s *streams, sum sim.Summary) error {
	if c.Output == "json" {
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		return e.Encode(sum)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SITE\tKIND\tRECORDS")
	for _, site := range sum.Sites {
		fmt.Fprintf(w, "%s\t%s\t%d\n", site.ID, site.Kind, site.Records)
	}
	fmt.Fprintf(w, "\n%d people\t\t%d records\n", sum.People, sum.Records)
	for _, file := range slices.Sorted(maps.Keys(sum.Rows)) {
		fmt.Fprintf(w, "%s\t\t%d rows\n", file, sum.Rows[file])
	}
	return w.Flush()
}
