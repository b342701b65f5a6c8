package mpi

// DefaultModel returns the model the live index uses when none is configured, for a population of about a million, with probabilities as
// they were observed on simulated populations.
func DefaultModel() *Model {
	m := handSet()
	m.calibration = defaultCalibration
	return m
}

// handSet is the default model before its probabilities were held against any truth: what an estimate begins with, whose evidence is weighed
// otherwise.
func handSet() *Model {
	m := &Model{ID: "default-4", Prior: 20, Kin: [kinds]Bits{-18, -24}, Certain: 28, Probable: 23, Possible: 15, Margin: 8, Overlay: -6,
		m: defaultM, u: defaultU, r: defaultR}
	m.finish()
	return m
}

// defaultCalibration is in which share of the pairs of a record and a person that share a key of the live index the record was the person's, by the
// evidence beyond even odds.
//
// Source: concord model calibrate on seven simulated populations; README.md, "What a threshold means", has the commands, and what four others showed.
var defaultCalibration = []CalibrationPoint{
	{-7, 0.000017}, {-5, 0.001869}, {-3, 0.008617}, {-1, 0.076687},
	{1, 0.235048}, {3, 0.365676}, {5, 0.786574}, {7, 0.880482},
	{9, 0.947824}, {11, 0.984534}, {13, 0.995351}, {15, 0.999450},
	{17, 0.999867}, {19, 0.999994}, {21, 0.999995}, {23, 0.999998},
}

// estimatedCalibration is the same of models estimated by a batch, each on the population it was learnt from: their evidence is weighed otherwise,
// and they have learnt from the pairs they judge.
//
// Source: concord model calibrate --estimate on five simulated populations; README.md, "What a threshold means".
var estimatedCalibration = []CalibrationPoint{
	{-7, 0.000014}, {-5, 0.006093}, {-3, 0.024020}, {-1, 0.080561},
	{1, 0.276676}, {3, 0.477018}, {5, 0.722157}, {7, 0.896489},
	{9, 0.943693}, {11, 0.995849}, {13, 0.999635}, {15, 0.999955},
	{17, 0.999991}, {19, 0.999993}, {21, 0.999993}, {23, 0.999997},
}

// What the levels are worth before anything is known of the records at hand. Each row is a distribution over the levels
// that are not missing.
//
// Source: README.md, "Weights": m from the error rates reported for registries, u from census tables, r from
// households: three of four relatives share a family name, half an address, one in thirty (twins) a birth date.
var (
	defaultM = table{
		fieldGiven:    {0, .78, .03, .05, .02, .02, .02, .01, .95, .025, .03},
		fieldMiddle:   {0, .86, .96, .04, .10},
		fieldFamily:   {0, .81, .03, .025, .03, .02, .02, .05},
		fieldSuffix:   {0, .97, .03},
		fieldBirth:    {0, .86, .02, .015, .96, .055, .97, .03, .005, .005, .004, .006},
		fieldOrder:    {0, .99, .01},
		fieldSex:      {0, .97, .03},
		fieldSSN:      {0, .93, .96, .03, .01, .03},
		fieldID:       {0, .91, .04, .05},
		fieldPhone:    {0, .66, .04, .30},
		fieldEmail:    {0, .55, .15, .06, .24},
		fieldAddress:  {0, .50, .02, .10, .02, .10, .10, .03, .02, .11},
		fieldMaiden:   {0, .85, .06, .09},
		fieldDeath:    {0, .92, .08},
		fieldSource:   {0, .06, .94},
		fieldSwap:     {0, .12, .015, .3, .88, 1},
		fieldGuardian: {0, .70, .07, .23},
		fieldMember:   {0, .80, .02, .18},
		fieldFormer:   {0, .85, .15},
	}
	defaultU = table{
		fieldGiven:    {0, .006, .0006, .004, .0006, .003, .004, .002, .065, .03, .9498},
		fieldMiddle:   {0, .008, .065, .005, .987},
		fieldFamily:   {0, .0025, .0004, .001, .0013, .002, .006, .9868},
		fieldSuffix:   {0, .35, .65},
		fieldBirth:    {0, .00004, .0003, .00005, .0013, .0009, .015, .003, .007, .010, .30, .67871},
		fieldOrder:    {0, .5, .5},
		fieldSex:      {0, .5, .5},
		fieldSSN:      {0, .0000004, .0001, .00001, .0001, .9997896},
		fieldID:       {0, .0000004, .00001, .9999896},
		fieldPhone:    {0, .000004, .0001, .999896},
		fieldEmail:    {0, .0000004, .000002, .0005, .9994976},
		fieldAddress:  {0, .000003, .000003, .00002, .000004, .0015, .006, .012, .004, .97647},
		fieldMaiden:   {0, .002, .003, .995},
		fieldDeath:    {0, .0002, .9998},
		fieldSource:   {0, .20, .80},
		fieldSwap:     {0, 1, 1, 1, 1, 1},
		fieldGuardian: {0, .008, .01, .982},
		fieldMember:   {0, .000004, .00002, .999976},
		fieldFormer:   {0, .002, .998},
	}
	defaultR = [kinds]table{relatives: {
		fieldGiven:    {0, .015, .001, .006, .001, .004, .006, .01, .09, .03, .927},
		fieldMiddle:   {0, .03, .09, .005, .965},
		fieldFamily:   {0, .70, .03, .03, .035, .015, .01, .18},
		fieldSuffix:   {0, .30, .70},
		fieldBirth:    {0, .002, .0005, .0003, .004, .0015, .03, .004, .008, .015, .40, .5687},
		fieldOrder:    {0, .2, .8},
		fieldSex:      {0, .48, .52},
		fieldSSN:      {0, .004, .0005, .0005, .0005, .9945},
		fieldID:       {0, .004, .0005, .9955},
		fieldPhone:    {0, .50, .03, .47},
		fieldEmail:    {0, .01, .19, .03, .77},
		fieldAddress:  {0, .48, .01, .06, .01, .12, .10, .03, .02, .17},
		fieldMaiden:   {0, .40, .03, .57},
		fieldDeath:    {0, .001, .999},
		fieldSource:   {0, .30, .70},
		fieldSwap:     {0, 1, 1, 1, 1, 1},
		fieldGuardian: {0, .50, .05, .45},
		fieldMember:   {0, .30, .01, .69},
		fieldFormer:   {0, .10, .90},
	}, twins: {
		fieldGiven:    {0, .0005, .0003, .006, .002, .018, .02, .006, .09, .05, .8972},
		fieldMiddle:   {0, .02, .09, .005, .975},
		fieldFamily:   {0, .81, .03, .02, .045, .015, .01, .07},
		fieldSuffix:   {0, .30, .70},
		fieldBirth:    {0, .93, .02, .012, .98, .02, .98, .012, .002, .002, .001, .001},
		fieldOrder:    {0, .02, .98},
		fieldSex:      {0, .48, .52},
		fieldSSN:      {0, .004, .0005, .0005, .0005, .9945},
		fieldID:       {0, .004, .0005, .9955},
		fieldPhone:    {0, .60, .03, .37},
		fieldEmail:    {0, .005, .195, .03, .77},
		fieldAddress:  {0, .50, .02, .08, .02, .10, .10, .03, .02, .13},
		fieldMaiden:   {0, .80, .06, .14},
		fieldDeath:    {0, .001, .999},
		fieldSource:   {0, .30, .70},
		fieldSwap:     {0, 1, 1, 1, 1, 1},
		fieldGuardian: {0, .68, .07, .25},
		fieldMember:   {0, .40, .01, .59},
		fieldFormer:   {0, .30, .70},
	}}
)
