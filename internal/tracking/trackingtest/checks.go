package trackingtest

import "flag"

// Checks has the properties of a package try n random cases each, unless
// -rapid.checks says otherwise. It is for TestMain, and reads the flags.
func Checks(n string) {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "rapid.checks" })
	if said {
		return
	}
	if err := flag.Set("rapid.checks", n); err != nil { // rapid makes the flag where it is loaded
		panic(err)
	}
}
