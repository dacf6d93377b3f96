ALTER TABLE "depot"."lists" ADD COLUMN "attempt" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "depot"."returns" ADD COLUMN "from_depot" boolean DEFAULT false NOT NULL;