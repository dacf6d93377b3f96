/** What a kind of store is called and sells; prices in minor units are the middle of what a draw asks. */
export interface Shop {
  readonly name: string;
  /** Begins the SKUs of its products. */
  readonly code: string;
  readonly goods: ReadonlyArray<readonly [name: string, priceMinor: number]>;
}

export const shops: readonly Shop[] = [
  {
    name: 'Crumb & Crust',
    code: 'CRU',
    goods: [
      ['Sourdough loaf', 480],
      ['Rye bread', 420],
      ['Butter croissant', 190],
      ['Cinnamon roll', 260],
      ['Seeded baguette', 240],
      ['Almond biscotti', 550],
      ['Apple turnover', 290],
      ['Blueberry muffin', 280],
      ['Pretzel', 160],
    ],
  },
  {
    name: 'Leaf & Kettle',
    code: 'LEA',
    goods: [
      ['Earl Grey, 100 g', 690],
      ['Sencha, 100 g', 890],
      ['Peppermint tea, 50 g', 430],
      ['Rooibos, 100 g', 520],
      ['Cast-iron teapot', 3_490],
      ['Glass tea cup', 790],
      ['Tea strainer', 650],
      ['Clover honey, 250 g', 590],
      ['Chai blend, 100 g', 740],
    ],
  },
  {
    name: 'Volt',
    code: 'VOL',
    goods: [
      ['USB-C cable, 2 m', 1_290],
      ['Power bank', 3_490],
      ['Wireless earbuds', 5_990],
      ['Desk lamp', 4_290],
      ['AA batteries, 8 pieces', 790],
      ['Travel adapter', 1_990],
      ['Bluetooth speaker', 4_990],
      ['Phone stand', 1_490],
      ['Smart plug', 1_690],
    ],
  },
  {
    name: 'Paper Lantern Books',
    code: 'PAP',
    goods: [
      ['Dotted notebook', 1_190],
      ['Fountain pen', 2_490],
      ['World atlas', 3_990],
      ['Pocket dictionary', 1_290],
      ['Detective novel', 1_490],
      ['Watercolour set', 2_190],
      ['Wall calendar', 1_590],
      ['Cookbook', 2_790],
      ['Postcards, 10 pieces', 690],
    ],
  },
  {
    name: 'Little Orbit Toys',
    code: 'ORB',
    goods: [
      ['Wooden train', 2_490],
      ['Jigsaw puzzle, 500 pieces', 1_690],
      ['Plush octopus', 1_990],
      ['Building bricks', 2_990],
      ['Card game', 1_290],
      ['Kite', 1_790],
      ['Bubble wand', 390],
      ['Yo-yo', 590],
      ['Model rocket', 3_290],
    ],
  },
  {
    name: 'Green Thumb',
    code: 'GRE',
    goods: [
      ['Basil in a pot', 390],
      ['Potting soil, 10 l', 690],
      ['Terracotta pot', 850],
      ['Watering can', 1_890],
      ['Sunflower seeds', 290],
      ['Pruning shears', 2_290],
      ['Snake plant', 1_990],
      ['Bird feeder', 1_590],
      ['Garden gloves', 990],
    ],
  },
];

/** Who comes to the kiosk. */
export const firstNames: readonly string[] = [
  'Ada',
  'Bruno',
  'Chiara',
  'Dmitri',
  'Esi',
  'Farid',
  'Greta',
  'Hiro',
  'Ines',
  'Jonas',
  'Kavya',
  'Luca',
  'Mina',
  'Noor',
  'Olga',
  'Pavel',
  'Quinn',
  'Rosa',
  'Samir',
  'Tess',
  'Uma',
  'Viktor',
  'Wanda',
  'Yusuf',
];
