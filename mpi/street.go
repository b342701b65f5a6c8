package mpi

import "strings"

// streetKinds maps the usual spellings of a kind of street to its USPS standard abbreviation.
//
// Source: USPS Publication 28, appendix C1.
var streetKinds = func() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(`
aly alley allee ally
anx annex annx
arc arcade
ave avenue av aven avenu avn avnue
bch beach
bnd bend
blf bluff
blvd boulevard boul boulv
br branch brnch
brg bridge brdge
brk brook
byp bypass
cp camp
cyn canyon
cswy causeway
ctr center centre cent cntr
cir circle circ crcl
clb club
cor corner
cmn common
crse course
ct court crt
cts courts
cv cove
crk creek
cres crescent crsent crsnt
xing crossing crssng
dl dale
dr drive driv drv
est estate
ests estates
expy expressway expr express expw
ext extension extn
fls falls
fry ferry
fld field
flds fields
fwy freeway freewy frway
gdn garden
gdns gardens
gtwy gateway
gln glen
grn green
grv grove
hbr harbor
hvn haven
hts heights
hwy highway highwy hiway
hl hill
hls hills
holw hollow
is island
jct junction
knl knoll
knls knolls
lk lake
lks lakes
lndg landing
ln lane la
loop loops
mall malls
mnr manor
mdw meadow
mdws meadows
ml mill
mls mills
mtn mountain mount
orch orchard
oval ovl
park parks prk
pkwy parkway parkwy pky
pass passes
path paths
pike pikes
pl place
pln plain
plz plaza
pt point
prt port
rdg ridge
rd road
rte route
row rows
run runs
shr shore
spg spring
spgs springs
sq square sqr
sta station
st street str strt
ter terrace terr
trl trail trails
tpke turnpike
un union
vly valley
vw view
vlg village
vis vista
walk walks
way ways wy
`) {
		standard := ""
		for w := range strings.FieldsSeq(line) {
			if standard == "" {
				standard = w
			}
			out[w] = standard
		}
	}
	return out
}()

var directions = map[string]string{
	"n": "n", "s": "s", "e": "e", "w": "w", "ne": "ne", "nw": "nw", "se": "se", "sw": "sw", "north": "n", "south": "s", "east": "e",
	"west": "w", "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
}

var unitWords = set(`apt apartment unit ste suite rm room fl floor flat bldg building lot spc trlr trailer no num ph penthouse dept`)

// normalStreet takes a street line apart: house number, the name without number, unit, direction and kind
// (as one word), and the whole line in standard form without the unit. All are "" for an empty line.
func normalStreet(raw string) (number, name, line string) {
	raw, _, _ = strings.Cut(raw, "#")
	words := strings.Fields(fold(raw))
	if len(words) == 0 {
		return "", "", ""
	}
	words = skipUnit(words)
	if number, name, ok := postBox(words); ok {
		return number, name, strings.TrimSpace(name + " " + number)
	}
	for i, w := range words {
		if i > 0 && unitWords[w] && i < len(words) {
			words = words[:i]
			break
		}
	}
	if c := words[0][0]; c >= '0' && c <= '9' {
		number = words[0]
		words = afterNumber(words[1:])
	} else if last := words[len(words)-1]; len(words) > 1 && last[0] >= '0' && last[0] <= '9' && digits(last) == last {
		number = last // "Hauptstrasse 12"
		words = words[:len(words)-1]
	}
	var rest, full []string
	for i, w := range words {
		if d := directions[w]; d != "" && (i == 0 || i == len(words)-1) && len(words) > 1 && !(i == 0 && len(words) == 2 && streetKinds[words[1]] != "") {
			full = append(full, d)
			continue
		}
		if k := streetKinds[w]; k != "" && i > 0 && (i == len(words)-1 || i == len(words)-2 && directions[words[i+1]] != "") {
			full = append(full, k)
			continue
		}
		rest = append(rest, w)
		full = append(full, w)
	}
	name = strings.Join(rest, "")
	if number != "" {
		full = append([]string{number}, full...)
	}
	return number, name, strings.Join(full, " ")
}

// skipUnit takes a unit off the beginning of a line: "Apt 3, 418 Alder St".
func skipUnit(words []string) []string {
	if len(words) > 3 && unitWords[words[0]] && words[2][0] >= '0' && words[2][0] <= '9' {
		return words[2:]
	}
	return words
}

// postBox reads a line that names a box: at a post office, which has one number, or on a rural or highway contract route, which is the name of
// the street then.
//
// Source: USPS Publication 28, sections 24, 25 and 28.
func postBox(words []string) (number, name string, ok bool) {
	var at int
	switch {
	case words[0] == "pobox", words[0] == "box" && len(words) == 2:
		at = 1
	case len(words) > 1 && (words[0] == "po" || words[0] == "pob") && words[1] == "box":
		at = 2
	case len(words) > 2 && (words[0] == "post" || words[0] == "p") && (words[1] == "office" || words[1] == "o") && words[2] == "box":
		at = 3
	case len(words) == 2 && words[0] == "pob":
		at = 1
	default:
		return routeBox(words)
	}
	if at < len(words) {
		number = words[at]
	}
	return number, "pobox", true
}

// routeBox is postBox for a route: "RR 2 Box 15", "Rural Route 2 #15".
func routeBox(words []string) (number, name string, ok bool) {
	kind := ""
	switch {
	case words[0] == "rr" || words[0] == "hc" || words[0] == "rfd":
		kind, words = words[0], words[1:]
	case len(words) > 1 && words[0] == "rural" && words[1] == "route":
		kind, words = "rr", words[2:]
	case len(words) > 2 && words[0] == "highway" && words[1] == "contract":
		kind, words = "hc", words[2:]
		if words[0] == "route" {
			words = words[1:]
		}
	}
	if kind == "" || len(words) == 0 || digits(words[0]) != words[0] {
		return "", "", false
	}
	if kind == "rfd" {
		kind = "rr"
	}
	name = kind + words[0]
	if len(words) > 2 && words[1] == "box" {
		number = words[2]
	}
	return number, name, true
}

// afterNumber takes off what goes on with a house number: a half, or the other end of a range.
func afterNumber(words []string) []string {
	switch {
	case len(words) > 2 && digits(words[0]) == words[0] && digits(words[1]) == words[1] && len(words[0]) == 1 && len(words[1]) == 1: // 1/2
		return words[2:]
	case len(words) > 2 && digits(words[0]) == words[0]: // 418-420
		return words[1:]
	}
	return words
}
