package sim

import (
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"github.com/brianvoe/gofakeit/v7/data"
)

// A table draws names by rank: the n-th falls off as 1/(n+2), so that a few names are common and most are rare.
type table struct {
	names []string
	sums  []float64
}

func newTable(names []string) table {
	t := table{names: names}
	total := 0.0
	for i := range names {
		total += 1 / float64(i+2)
		t.sums = append(t.sums, total)
	}
	return t
}

func (t table) draw(r *rand.Rand) string {
	x := r.Float64() * t.sums[len(t.sums)-1]
	return t.names[sort.SearchFloat64s(t.sums, x)]
}

// names are the tables a population is drawn from.
type names struct {
	female, male       [3]table // by generation: born before 1960, before 1995, since
	family, hispanic   table
	femaleHis, maleHis table
	middleF, middleM   table
}

// generation returns the index of the given-name table for a year of birth.
func generation(year int) int {
	switch {
	case year < 1960:
		return 0
	case year < 1995:
		return 1
	default:
		return 2
	}
}

// The heads of the tables, commonest first. Hand-made: well-known names in their rough order, no copied counts.
var (
	familyHead = words(`Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Thomas Taylor Moore Jackson
		Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Hill Green Adams
		Nelson Baker Hall Campbell Mitchell Carter Roberts Phillips Evans Turner Parker Collins Edwards Stewart Morris
		Murphy Cook Rogers Morgan Peterson Cooper Reed Bailey Bell Kelly Howard Ward Cox Richardson Wood Watson Brooks
		Bennett Gray James Hughes Price Myers Long Foster Sanders Ross Nguyen Kim Patel Chen Tran Singh O'Brien
		McDonald O'Connor St.John Van-Dyke De-Luca`)
	hispanicHead = words(`Garcia Rodriguez Martinez Hernandez Lopez Gonzalez Perez Sanchez Ramirez Torres Flores Rivera
		Gomez Diaz Cruz Reyes Morales Gutierrez Ortiz Ramos Mendoza Castillo Jimenez Vargas Romero Herrera Medina Aguilar
		Vega Castro Guzman Salazar Soto Delgado Pena Rios Silva Contreras Guerrero Nunez`)
	femaleHeads = [3][]string{
		words(`Mary Patricia Barbara Linda Carol Judith Margaret Shirley Nancy Dorothy Betty Susan Helen Ruth Sharon Joan
			Virginia Donna Janet Frances Sandra Ann Judy Joyce Gloria Evelyn Martha Jean Marie Alice`),
		words(`Jennifer Lisa Kimberly Michelle Amy Angela Melissa Jessica Elizabeth Stephanie Mary Nicole Heather Rebecca
			Laura Amanda Christine Karen Sarah Susan Rachel Andrea Tina Katherine Megan Julie Emily Erin Crystal Danielle`),
		words(`Emily Emma Olivia Sophia Madison Isabella Ava Hannah Abigail Ashley Alexis Mia Samantha Chloe Grace Ella
			Charlotte Lily Natalie Avery Harper Amelia Evelyn Sofia Aria Layla Zoe Nora Hailey Kayla`),
	}
	maleHeads = [3][]string{
		words(`James Robert John William Richard Charles Donald George Thomas David Joseph Ronald Edward Kenneth Paul
			Frank Raymond Gary Larry Jerry Harold Walter Henry Arthur Albert Jack Dennis Carl Ralph Roger`),
		words(`Michael David John James Christopher Robert Jason William Matthew Joshua Brian Daniel Joseph Kevin Eric
			Jeffrey Timothy Andrew Steven Thomas Mark Anthony Scott Ryan Richard Justin Charles Gregory Brandon Sean`),
		words(`Jacob Michael Ethan Noah Liam Mason Joshua Matthew Daniel Alexander William Anthony Jayden Logan Benjamin
			Elijah James Aiden Jackson Lucas Oliver Henry Samuel David Nathan Dylan Caleb Isaac Owen Leo`),
	}
	femaleHispanic = words(`Maria Guadalupe Ana Rosa Carmen Juana Luz Elena Teresa Gloria Isabel Sofia Valentina Camila
		Gabriela Daniela Alejandra Lucia Mariana Ximena`)
	maleHispanic = words(`Jose Juan Luis Carlos Jesus Antonio Miguel Francisco Manuel Jorge Pedro Rafael Alejandro Diego
		Ricardo Fernando Eduardo Javier Mateo Santiago`)
	middleFemale = words(`Marie Ann Lynn Elizabeth Nicole Michelle Rose Grace Louise Jane Renee Mae Jean Christine Kay
		Faith Hope Catherine Claire Diane`)
	middleMale = words(`Lee James Michael Alan David Joseph Edward Robert John William Scott Ray Allen Thomas Wayne
		Patrick Andrew Charles Daniel Paul`)
	streetNames = words(`Oak Maple Cedar Elm Washington Lake Hill Park Main Church Walnut Spring River Chestnut Mill
		Franklin Jefferson Highland Prospect Union Ridge Sunset Meadow Forest Willow Cherry Locust Pleasant Orchard Canal`)
	streetKinds = words(`Street Avenue Road Drive Lane Court Place Boulevard`)
)

// nicknames are what a clerk may write for a given name.
var nicknames = map[string][]string{
	"Robert": {"Bob", "Rob"}, "William": {"Bill", "Will"}, "James": {"Jim", "Jimmy"}, "Richard": {"Rick", "Dick"},
	"Michael": {"Mike"}, "Joseph": {"Joe"}, "Thomas": {"Tom"}, "Charles": {"Chuck", "Charlie"}, "Daniel": {"Dan"},
	"Matthew": {"Matt"}, "Anthony": {"Tony"}, "Christopher": {"Chris"}, "Andrew": {"Andy", "Drew"}, "Edward": {"Ed", "Ted"},
	"Kenneth": {"Ken"}, "Timothy": {"Tim"}, "Jeffrey": {"Jeff"}, "Gregory": {"Greg"}, "Benjamin": {"Ben"}, "Samuel": {"Sam"},
	"Elizabeth": {"Liz", "Beth", "Betty"}, "Margaret": {"Peggy", "Meg"}, "Patricia": {"Pat", "Trish"}, "Katherine": {"Kathy", "Kate"},
	"Jennifer": {"Jen", "Jenny"}, "Jessica": {"Jess"}, "Rebecca": {"Becky"}, "Susan": {"Sue"}, "Deborah": {"Debbie"},
	"Christine": {"Chris", "Tina"}, "Barbara": {"Barb"}, "Kimberly": {"Kim"}, "Stephanie": {"Steph"}, "Samantha": {"Sam"},
	"Alexander": {"Alex"}, "Nicholas": {"Nick"}, "Joshua": {"Josh"}, "Francisco": {"Paco"}, "Jose": {"Pepe"}, "Guadalupe": {"Lupe"},
	"Teresa": {"Tere"}, "Rafael": {"Rafa"}, "Abigail": {"Abby"}, "Judith": {"Judy"}, "Dorothy": {"Dot"}, "Donald": {"Don"},
}

func words(s string) []string {
	out := strings.Fields(s)
	for i, w := range out {
		out[i] = strings.ReplaceAll(w, "-", " ")
	}
	return out
}

// loadNames builds the tables: the heads above, then gofakeit's lists shuffled by seed as the tail. A given name
// of the tail counts as a woman's when it ends in a vowel that mostly ends women's names.
func loadNames(seed uint64) *names {
	n := &names{hispanic: newTable(hispanicHead), femaleHis: newTable(femaleHispanic), maleHis: newTable(maleHispanic),
		middleF: newTable(middleFemale), middleM: newTable(middleMale)}
	n.family = newTable(withTail(seed, "family", familyHead, data.Person["last"]))
	var tailF, tailM []string
	for _, name := range data.Person["first"] {
		if strings.HasSuffix(name, "a") || strings.HasSuffix(name, "ie") || strings.HasSuffix(name, "e") {
			tailF = append(tailF, name)
		} else {
			tailM = append(tailM, name)
		}
	}
	for g := range 3 {
		n.female[g] = newTable(withTail(seed, "female", femaleHeads[g], tailF))
		n.male[g] = newTable(withTail(seed, "male", maleHeads[g], tailM))
	}
	return n
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
