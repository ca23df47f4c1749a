package readmodel

// FoldColumns are the columns that a fold fills, by table.
func FoldColumns() map[string][]string {
	columns := map[string][]string{}
	for _, t := range foldTables() {
		columns[t.name] = t.columns
	}
	return columns
}

// FoldKeys are the first of them, which are the table's key.
func FoldKeys() map[string][]string {
	keys := map[string][]string{}
	for _, t := range foldTables() {
		keys[t.name] = t.key()
	}
	return keys
}
