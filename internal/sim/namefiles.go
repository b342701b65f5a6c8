package sim

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// LoadNames reads frequency tables from fsys: us_surnames_2010.csv and us_given_names_by_decade.csv (surname,
// count and p_… shares; given, sex, decade, count) must be there, gzipped (.gz) or plain;
// us_given_names_by_ethnicity_nyc.csv, us_common_full_names_2013.csv, nicknames.csv and transliterations.csv
// are used where they are. Errors name file and line.
func LoadNames(fsys fs.FS) (*Names, error) {
	n := &Names{decades: true, nicknames: map[string][]string{}, spellings: map[string][]string{}}
	n.ownNames()
	for _, step := range []struct {
		file     string
		columns  []string
		optional bool
		read     func(*nameRows) error
	}{
		{"us_surnames_2010.csv", []string{"surname", "count", "p_white", "p_black", "p_hispanic", "p_asian_pi", "p_amer_indian"}, false, n.readSurnames},
		{"us_given_names_by_decade.csv", []string{"given", "sex", "decade", "count"}, false, n.readGiven},
		{"us_given_names_by_ethnicity_nyc.csv", []string{"given", "sex", "ethnicity", "count"}, true, n.readEthnic},
		{"us_common_full_names_2013.csv", []string{"given", "surname", "estimated_people"}, true, n.readPairs},
		{"nicknames.csv", []string{"formal", "nickname"}, true, n.readNicknames},
		{"transliterations.csv", []string{"variants"}, true, n.readSpellings},
	} {
		err := readTable(fsys, step.file, step.columns, step.read)
		if errors.Is(err, fs.ErrNotExist) && step.optional {
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	if len(n.nicknames) == 0 {
		n.nicknames = nicknames
	}
	if len(n.spellings) == 0 {
		n.spellings = spellings
	}
	n.count()
	return n, nil
}

// nameRows are the rows of one table, column by column name.
type nameRows struct {
	file string
	rows *csv.Reader
	at   map[string]int
	row  []string
}

func readTable(fsys fs.FS, name string, columns []string, read func(*nameRows) error) error {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = fsys.Open(name + ".gz")
	}
	if err != nil {
		return fmt.Errorf("sim: name table %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if info, err := f.Stat(); err == nil && filepath.Ext(info.Name()) == ".gz" {
		z, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("sim: name table %s: %w", name, err)
		}
		defer func() { _ = z.Close() }()
		r = z
	}
	rows := &nameRows{file: name, rows: csv.NewReader(r), at: map[string]int{}}
	rows.rows.ReuseRecord = true
	head, err := rows.rows.Read()
	if err != nil {
		return fmt.Errorf("sim: name table %s: no header", name)
	}
	for i, c := range head {
		rows.at[c] = i
	}
	for _, c := range columns {
		if _, ok := rows.at[c]; !ok {
			return fmt.Errorf("sim: name table %s: no column %q", name, c)
		}
	}
	return read(rows)
}

// next moves to the next row; false at the end.
func (r *nameRows) next() (bool, error) {
	row, err := r.rows.Read()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sim: name table %s: %w", r.file, err)
	}
	r.row = row
	return true, nil
}

func (r *nameRows) text(column string) string { return strings.Clone(r.row[r.at[column]]) }

// number returns a column as a number; "" and "(S)", the Census' mark for suppressed, are 0.
func (r *nameRows) number(column string) (float64, error) {
	s := r.row[r.at[column]]
	if s == "" || s == "(S)" {
		return 0, nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || x < 0 {
		line, _ := r.rows.FieldPos(0)
		return 0, fmt.Errorf("sim: name table %s, line %d: %q is no count", r.file, line, column)
	}
	return x, nil
}

// A tally collects weights by table before they are sums.
type tally struct {
	names   []string
	weights []float64
}

func (t *tally) add(name string, weight float64) {
	if name != "" && weight > 0 {
		t.names, t.weights = append(t.names, name), append(t.weights, weight)
	}
}

func (n *Names) readSurnames(r *nameRows) error {
	columns := map[string]string{white: "p_white", black: "p_black", hispanic: "p_hispanic", asian: "p_asian_pi", native: "p_amer_indian"}
	tallies := map[string]*tally{}
	for group := range columns {
		tallies[group] = &tally{}
	}
	for {
		more, err := r.next()
		if err != nil || !more {
			for group, t := range tallies {
				if len(t.names) > 0 {
					n.family[group] = weighed(t.names, t.weights)
				}
			}
			if err == nil && len(n.family[white].names) == 0 {
				err = fmt.Errorf("sim: name table %s: no surnames", r.file)
			}
			return err
		}
		count, err := r.number("count")
		if err != nil {
			return err
		}
		name := particle(r.text("surname"))
		for group, column := range columns {
			share, err := r.number(column)
			if err != nil {
				return err
			}
			if count*share >= 5 {
				tallies[group].add(name, count*share)
			}
		}
	}
}

// particle writes a Census surname, which has no spaces or apostrophes, as its bearers mostly do.
func particle(s string) string {
	if strings.HasPrefix(s, "Delacruz") {
		return "De la Cruz"
	}
	for _, p := range []struct{ from, to string }{{"Oconnor", "O'Connor"}, {"Obrien", "O'Brien"}, {"Oneal", "O'Neal"}, {"Oneill", "O'Neill"},
		{"Odonnell", "O'Donnell"}, {"Mcdonald", "McDonald"}, {"Vandyke", "Van Dyke"}, {"Stjohn", "St. John"}, {"Delarosa", "De la Rosa"},
		{"Deleon", "De Leon"}, {"Deluca", "De Luca"}, {"Vandenberg", "Van den Berg"}} {
		if s == p.from {
			return p.to
		}
	}
	return s
}

func (n *Names) readGiven(r *nameRows) error {
	var female, male [12]tally
	for {
		more, err := r.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		count, err := r.number("count")
		if err != nil {
			return err
		}
		decade, err := r.number("decade")
		if err != nil {
			return err
		}
		to := &male
		if strings.EqualFold(r.text("sex"), "f") {
			to = &female
		}
		to[clamp((int(decade)-1910)/10, 0, 11)].add(r.text("given"), count)
	}
	for d := range 12 {
		if len(female[d].names) == 0 || len(male[d].names) == 0 {
			return fmt.Errorf("sim: name table %s: no names of the decade %d", r.file, 1910+10*d)
		}
		n.female[white] = append(n.female[white], weighed(female[d].names, female[d].weights))
		n.male[white] = append(n.male[white], weighed(male[d].names, male[d].weights))
	}
	n.middleF, n.middleM = n.female[white][5], n.male[white][5]
	return nil
}

func (n *Names) readEthnic(r *nameRows) error {
	tallies := map[string]*tally{}
	for {
		more, err := r.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		count, err := r.number("count")
		if err != nil {
			return err
		}
		key := strings.ToLower(r.text("sex") + r.text("ethnicity"))
		if tallies[key] == nil {
			tallies[key] = &tally{}
		}
		tallies[key].add(r.text("given"), count)
	}
	for letter, group := range map[string]string{"h": hispanic, "b": black, "a": asian} {
		for sex, to := range map[string]map[string][]table{"f": n.female, "m": n.male} {
			if t := tallies[sex+letter]; t != nil {
				newer := weighed(t.names, t.weights)
				// People born before the table's years keep the hand-made list, where there is one.
				older := newer
				if own := to[group]; len(own) > 0 {
					older = own[0]
				}
				to[group] = nil
				for d := range 12 {
					if d < 8 {
						to[group] = append(to[group], older)
					} else {
						to[group] = append(to[group], newer)
					}
				}
			}
		}
	}
	return nil
}

func (n *Names) readPairs(r *nameRows) error {
	total := 0.0
	for {
		more, err := r.next()
		if err != nil || !more {
			return err
		}
		count, err := r.number("estimated_people")
		if err != nil {
			return err
		}
		total += count
		n.pairs, n.pairSums = append(n.pairs, fullName{r.text("given"), r.text("surname")}), append(n.pairSums, total)
	}
}

func (n *Names) readNicknames(r *nameRows) error {
	for {
		more, err := r.next()
		if err != nil || !more {
			return err
		}
		formal := capitalised(r.text("formal"))
		if nick := capitalised(r.text("nickname")); formal != "" && nick != "" && nick != formal {
			n.nicknames[formal] = append(n.nicknames[formal], nick)
		}
	}
}

func (n *Names) readSpellings(r *nameRows) error {
	for {
		more, err := r.next()
		if err != nil || !more {
			for name, others := range spellings { // the hand-made groups hold where the file is silent
				if n.spellings[name] == nil {
					n.spellings[name] = others
				}
			}
			return err
		}
		all := strings.Split(r.text("variants"), "|")
		if len(all) > 4 {
			all = all[:4] // the first are the usual ones
		}
		for i, name := range all {
			if n.spellings[name] != nil {
				continue
			}
			for j, o := range all {
				if i != j && !strings.Contains(o, ".") {
					n.spellings[name] = append(n.spellings[name], o)
				}
			}
		}
	}
}

func capitalised(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// common returns a full name out of the pair table, or "" where there is none.
func (n *Names) common(x float64) (given, family string) {
	if len(n.pairs) == 0 {
		return "", ""
	}
	i := min(sort.SearchFloat64s(n.pairSums, x*n.pairSums[len(n.pairSums)-1]), len(n.pairs)-1)
	return n.pairs[i].given, n.pairs[i].family
}
