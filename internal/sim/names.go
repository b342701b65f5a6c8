package sim

import (
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"github.com/brianvoe/gofakeit/v7/data"
)

// A table draws names, each as often as its weight says.
type table struct {
	names []string
	sums  []float64
}

// ranked returns a table whose n-th name falls off as 1/(n+2): a few names are common and most are rare.
func ranked(names []string) table {
	weights := make([]float64, len(names))
	for i := range names {
		weights[i] = 1 / float64(i+2)
	}
	return weighed(names, weights)
}

func weighed(names []string, weights []float64) table {
	t := table{names: names, sums: make([]float64, len(names))}
	total := 0.0
	for i, w := range weights {
		total += w
		t.sums[i] = total
	}
	return t
}

func (t table) draw(r *rand.Rand) string {
	x := r.Float64() * t.sums[len(t.sums)-1]
	return t.names[min(sort.SearchFloat64s(t.sums, x), len(t.names)-1)]
}

// The groups people are of, by the convention their names follow. Chinese, Vietnamese and Korean names are
// written family name first at home.
const (
	white      = "white"
	black      = "black"
	hispanic   = "hispanic"
	chinese    = "chinese"
	vietnamese = "vietnamese"
	korean     = "korean"
	indian     = "south-asian"
	asian      = "asian"
	arab       = "mena"
	native     = "native"
)

// mix is how many people of a thousand are of each group.
//
// Source: US Census 2020, race and Hispanic origin, rounded; the parts of Asian from the 2020 detailed tables, rounded.
var mix = []struct {
	group string
	share int
}{{white, 575}, {hispanic, 190}, {black, 130}, {indian, 20}, {arab, 20}, {chinese, 18}, {asian, 17}, {vietnamese, 12}, {native, 10}, {korean, 8}}

// Names are the tables a population is drawn from. They do not change once made.
type Names struct {
	family           map[string]table   // by group
	female, male     map[string][]table // by group and generation; one table for all generations where there is one
	middleF, middleM table
	pairs            []fullName // given and family names that go together more often than chance would have it
	pairSums         []float64
	nicknames        map[string][]string
	nicknamed        float64 // share of the people whose given name has nicknames
	spellings        map[string][]string
	decades          bool // generations are decades from 1910, not the three of the heads
	invents          bool // a share of the names is made of parts, because the tables end too soon
}

type fullName struct{ given, family string }

func drawGroup(r *rand.Rand) string {
	x := r.IntN(1000)
	for _, m := range mix {
		if x -= m.share; x < 0 {
			return m.group
		}
	}
	return white
}

// generation returns the index of the given-name table for a year of birth.
func (n *Names) generation(year int) int {
	switch {
	case n.decades:
		return clamp((year-1910)/10, 0, 11)
	case year < 1960:
		return 0
	case year < 1995:
		return 1
	default:
		return 2
	}
}

// drawFamily returns a family name of group; a Hispanic one is two names in half of the cases.
func (n *Names) drawFamily(r *rand.Rand, group string) string {
	if n.invents && (group == white || group == black || group == native) && chance(r, .45) {
		return pick(r, roots) + pick(r, endings)
	}
	name := n.family[group].draw(r)
	if group == hispanic && chance(r, .5) {
		name += " " + n.family[group].draw(r)
	}
	return name
}

// drawGiven returns a given name for somebody of group and sex born in year.
func (n *Names) drawGiven(r *rand.Rand, group, sex string, year int) string {
	tables := n.male
	if sex == "female" {
		tables = n.female
	}
	own, g := tables[group], n.generation(year)
	general := tables[white][min(g, len(tables[white])-1)]
	switch {
	case group == white || len(own) == 0, group == black && (year < 1968 || chance(r, .55)), group == native && chance(r, .8),
		group != arab && group != hispanic && group != black && chance(r, .35), chance(r, .15):
		if n.invents && chance(r, .12) {
			return pick(r, givenFirst) + pick(r, givenLast[sex])
		}
		return general.draw(r)
	}
	return own[min(g, len(own)-1)].draw(r)
}

// drawMiddle returns a middle name.
func (n *Names) drawMiddle(r *rand.Rand, group, sex string, year int) string {
	switch {
	case group == hispanic && chance(r, .6), group == arab && chance(r, .7), chance(r, .45):
		return n.drawGiven(r, group, sex, year)
	case sex == "female":
		return n.middleF.draw(r)
	default:
		return n.middleM.draw(r)
	}
}

// DefaultNames builds the tables from the heads above and gofakeit's lists shuffled by seed as the tail. A given
// name of the tail counts as a woman's when it ends in a vowel that mostly ends women's names.
func DefaultNames(seed uint64) *Names {
	n := &Names{middleF: ranked(middleFemale), middleM: ranked(middleMale), nicknames: nicknames, spellings: spellings, invents: true}
	last := data.Person["last"]
	n.family = map[string]table{white: ranked(withTail(seed, "family", familyHead, last)), black: ranked(withTail(seed, "black", blackHead, last)),
		native: ranked(withTail(seed, "native", nativeHead, last))}
	n.ownNames()
	var tailF, tailM []string
	for _, name := range data.Person["first"] {
		if strings.HasSuffix(name, "a") || strings.HasSuffix(name, "ie") || strings.HasSuffix(name, "e") {
			tailF = append(tailF, name)
		} else {
			tailM = append(tailM, name)
		}
	}
	for g := range 3 {
		n.female[white] = append(n.female[white], ranked(withTail(seed, "female", femaleHeads[g], tailF)))
		n.male[white] = append(n.male[white], ranked(withTail(seed, "male", maleHeads[g], tailM)))
	}
	n.count()
	return n
}

// count finds out how many people have nicknames.
func (n *Names) count() {
	const people = 4_000
	rnd, with := source(0, "nicknames"), 0
	for i := range people {
		if given := n.drawGiven(rnd, drawGroup(rnd), sexOf(rnd), Today.Year()-i%90); len(n.nicknames[given]) > 0 {
			with++
		}
	}
	n.nicknamed = float64(max(with, 1)) / people
}

// oneName reports whether a and b are one given name: spelled otherwise, or shortened to the same.
func (n *Names) oneName(a, b string) bool {
	if a == b || slices.Contains(n.spellings[a], b) || slices.Contains(n.spellings[b], a) || slices.Contains(n.nicknames[a], b) || slices.Contains(n.nicknames[b], a) {
		return true
	}
	return slices.ContainsFunc(n.nicknames[a], func(nick string) bool { return slices.Contains(n.nicknames[b], nick) })
}

// ownNames fills the tables of the groups whose names are hand-made lists.
func (n *Names) ownNames() {
	if n.family == nil {
		n.family = map[string]table{}
	}
	n.female, n.male = map[string][]table{}, map[string][]table{}
	for group, head := range map[string][]string{hispanic: hispanicHead, chinese: chineseHead, vietnamese: vietnameseHead, korean: koreanHead,
		indian: indianHead, asian: asianHead, arab: arabHead} {
		n.family[group] = ranked(head)
	}
	for group, heads := range map[string][2][]string{hispanic: {femaleHispanic, maleHispanic}, black: {femaleBlack, maleBlack},
		chinese: {femaleChinese, maleChinese}, vietnamese: {femaleVietnamese, maleVietnamese}, korean: {femaleKorean, maleKorean},
		indian: {femaleIndian, maleIndian}, arab: {femaleArab, maleArab}} {
		n.female[group], n.male[group] = []table{ranked(heads[0])}, []table{ranked(heads[1])}
	}
}

func withTail(seed uint64, what string, head, tail []string) []string {
	out := slices.Clone(head)
	rest := slices.Clone(tail)
	source(seed, "names "+what).Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	for _, name := range rest {
		if !slices.Contains(head, name) {
			out = append(out, name)
		}
	}
	return out
}
